package report

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestDrawnProgress: a page says how far its run was, and so whether it is that of
// a run of today.
func TestDrawnProgress(t *testing.T) {
	log := Columns{Steps: []int64{0, 1}, Overall: []float64{1, 0.5}, Seconds: []float64{1, 1}, Relevant: []float64{1, 1}}
	longer := Columns{Steps: []int64{0, 1, 2}, Overall: []float64{1, 0.5, 0.4}, Seconds: []float64{1, 1, 1}, Relevant: []float64{1, 1, 1}}
	valid := ValidColumns{Steps: []int64{2}, Loss: []float64{1}, Error: []float64{1}, LabelError: []float64{1}, Seconds: []float64{1}}
	for _, c := range []struct {
		run  Run
		want string
	}{
		{Run{Log: log}, "2 steps, 0 validations"},
		{Run{Log: longer}, "3 steps, 0 validations"},
		{Run{Log: log, Valid: valid}, "2 steps, 1 validations"},
		{Run{Log: log, Warning: "interrupted"}, "2 steps, 0 validations, with a warning"},
	} {
		t.Run(c.want, func(t *testing.T) {
			dir := t.TempDir()
			c.run.Name, c.run.Task, c.run.BestStep = `a "name"`, "task", -1
			if err := WriteRun(dir, c.run); err != nil {
				t.Fatal(err)
			}
			got, err := DrawnProgress(filepath.Join(dir, "report.html"))
			if err != nil || got != c.want || got != Progress(c.run.Log, c.run.Valid, c.run.Warning != "") {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
	dir := t.TempDir()
	if _, err := DrawnProgress(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no page: %v", err)
	}
	for name, text := range map[string]string{"empty": "", "foreign": "<html>", "cut": progressTag + "2 st"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if got, err := DrawnProgress(path); got != "" || err != nil {
			t.Errorf("%s: got %q, %v, want nothing", name, got, err)
		}
	}
}
