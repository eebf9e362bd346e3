package report

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mdlstm-gpu/host/hostile"
)

var someValidations = []ValidLine{
	{0, 2.3, 0.9, 1, 0.5},
	{100, 1.0 / 3, 0.25, math.NaN(), 1e-7},
	{101, math.Inf(1), math.NaN(), math.NaN(), 1234.5},
	{5000, 5e-324, 0, 0, 0},
}

func writeValidLog(t *testing.T, path string, lines []ValidLine) *ValidLog {
	t.Helper()
	l, err := CreateValidLog(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if err := l.Append(line); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestValidLogRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "valid.tsv")
	l := writeValidLog(t, path, someValidations)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text := readFile(t, path)
	if want := "steps\tvalid_loss\tvalid_error\tlabel_error\ttime\n0\t2.3\t0.9\t1\t0.5\n100\t"; !strings.HasPrefix(text, want) {
		t.Errorf("got %q, want it to begin with %q", text, want)
	}
	if int64(len(text)) != l.Length() {
		t.Errorf("%d bytes on disk, Length %d", len(text), l.Length())
	}
	got, err := ReadValidLog(path)
	if err != nil {
		t.Fatal(err)
	}
	var want ValidColumns
	for _, line := range someValidations {
		want.Append(line)
	}
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("columns, -want +got:\n%s", d)
	}
	if _, err := CreateValidLog(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("created over an existing file: %v", err)
	}
}

func TestResumedValidLogIsTheSameText(t *testing.T) {
	dir := t.TempDir()
	l := writeValidLog(t, filepath.Join(dir, "whole"), someValidations)
	l.Close()
	whole := readFile(t, filepath.Join(dir, "whole"))
	for cut := range len(someValidations) + 1 {
		path := filepath.Join(t.TempDir(), "valid.tsv")
		l := writeValidLog(t, path, someValidations[:cut])
		stored := l.Length()
		if err := l.Append(ValidLine{Step: 9999, Loss: 7}); err != nil {
			t.Fatal(err)
		}
		l.Close()
		l, err := OpenValidLogAt(path, stored)
		if err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		if cut > 0 {
			if err := l.Append(someValidations[cut-1]); err == nil {
				t.Errorf("cut %d: the last step was taken twice", cut)
			}
		}
		for _, line := range someValidations[cut:] {
			if err := l.Append(line); err != nil {
				t.Fatal(err)
			}
		}
		l.Close()
		if got := readFile(t, path); got != whole {
			t.Errorf("cut %d: resumed log\n%s\nuninterrupted\n%s", cut, got, whole)
		}
	}
}

func TestOpenValidLogAtRefusesAndKeepsTheFile(t *testing.T) {
	for _, c := range []struct {
		name, text string
		length     int
		want       string
	}{
		{"the log of the steps", logHeader + "0\t1\t2\t3\n", len(logHeader) + 8, "header"},
		{"other columns", validHeader + "0\t1\t2\t3\n", len(validHeader) + 8, "4 columns, want 5"},
		{"shorter than stored", validHeader, 500, "cut or replaced"},
		{"inside a line", validHeader + "0\t1\t2\t3\t4\n", len(validHeader) + 3, "end of a line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "valid.tsv")
			if err := os.WriteFile(path, []byte(c.text), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenValidLogAt(path, int64(c.length)); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error with %q and the path", err, c.want)
			}
			if readFile(t, path) != c.text {
				t.Error("the refused file was changed")
			}
		})
	}
}

func TestReadHostileValidLogs(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		lines, partial   int
	}{
		{name: "header only", text: validHeader},
		{name: "partial line", text: validHeader + "7\t1\t2\t3\t4\n8\t0.0", lines: 1, partial: 5},
		{name: "the log of the steps", text: logHeader, want: "line 1"},
		{name: "text", text: validHeader + "0\t1\tx\t3\t4\n", want: `line 2: valid_error: got "x"`},
		{name: "a step twice", text: validHeader + "3\t1\t2\t3\t4\n3\t1\t2\t3\t4\n", want: "line 3: step 3 after step 3"},
		{name: "steps that fall", text: validHeader + "3\t1\t2\t3\t4\n2\t1\t2\t3\t4\n", want: "line 3: step 2 after step 3"},
		{name: "endless line", text: validHeader + strings.Repeat("1", 1<<16), want: "line 2: longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseValidLog(strings.NewReader(c.text))
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "" && (got.Len() != c.lines || got.Partial != c.partial):
				t.Errorf("%d lines and %d partial bytes, want %d and %d", got.Len(), got.Partial, c.lines, c.partial)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// FuzzParseValidLog is FuzzParseLog for validations.
func FuzzParseValidLog(f *testing.F) {
	f.Add([]byte(validHeader + "0\t1\t2\t3\t4\n7\tnan\tinf\t-0\t1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c ValidColumns
		var err error
		hostile.Allocates(t, 1<<20+64*int64(len(text)), func() { c, err = parseValidLog(bytes.NewReader(text)) })
		if err != nil {
			hostile.OneLine(t, err, "")
			return
		}
		if err := c.check(); err != nil {
			t.Error(err)
		}
	})
}
