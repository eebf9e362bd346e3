package train

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestDefaultFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, want := range []string{"runs/MD_LSTM-20310203-040506", "runs/MD_LSTM-20310203-040506-2", "runs/MD_LSTM-20310203-040506-3"} {
		dir, err := DefaultFolder("MD_LSTM", now)
		if err != nil || dir != filepath.FromSlash(want) {
			t.Fatalf("got %s, %v, want %s", dir, err, want)
		}
		r, err := Create(dir, testStart(testSettings()))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
	}
	// The clock is set back, and comes to the same second again.
	for _, c := range []struct {
		back time.Duration
		want string
	}{{time.Hour, "runs/MD_LSTM-20310203-030506"}, {0, "runs/MD_LSTM-20310203-040506-4"}} {
		if dir, err := DefaultFolder("MD_LSTM", now.Add(-c.back)); err != nil || dir != filepath.FromSlash(c.want) {
			t.Errorf("got %s, %v, want %s", dir, err, c.want)
		}
	}
	if dir, err := DefaultFolder("../x/y", now); err != nil || filepath.Dir(dir) != "runs" {
		t.Errorf("got %s, %v", dir, err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("runs", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := DefaultFolder("MD_LSTM", now)
	wantMessage(t, err, nil, "runs")
}

func TestCheckNewOfAReadOnlyParent(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere: run the tests as a user to see this one")
	}
	parent := t.TempDir()
	if err := os.Chmod(parent, 0o555); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, CheckNew(filepath.Join(parent, "run")), os.ErrPermission, parent, "not writable")
}

func TestEngineInfoDiffers(t *testing.T) {
	a := EngineInfo{Engine: "cpu", Device: "Zen 4", Settings: map[string]string{"blas": "gonum", "vector": "scalar"}}
	for _, c := range []struct {
		b    EngineInfo
		want string
	}{
		{a, ""},
		{EngineInfo{Engine: "gpu", Device: "Zen 4", Settings: a.Settings}, `engine "cpu" to "gpu"`},
		{EngineInfo{Engine: "cpu", Device: "Zen 4", Settings: map[string]string{"blas": "openblas", "vector": "scalar"}}, `blas "gonum" to "openblas"`},
		{EngineInfo{Engine: "cpu", Device: "Zen 4"}, `blas "gonum" to "", vector "scalar" to ""`},
	} {
		if got := a.differs(c.b); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := (EngineInfo{}).differs(EngineInfo{Settings: map[string]string{"x": "1"}}); got != `x "" to "1"` {
		t.Errorf("got %q", got)
	}
}
