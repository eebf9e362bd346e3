package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mdlstm-gpu/host/npy"
)

// answer is a .npy body of some outputs.
func answer(t *testing.T, y ...float32) *npy.Encoded {
	t.Helper()
	body, err := npy.Append(nil, []int{len(y)}, y)
	if err != nil {
		t.Fatal(err)
	}
	file, err := npy.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDifference: a wrong answer is one.
func TestDifference(t *testing.T) {
	want := []float32{0.5, 0.25}
	if worst, err := difference(answer(t, 0.5, 0.250001), want); err != nil || math.Abs(worst-1e-6) > 1e-7 {
		t.Errorf("within the tolerance: %v (%v)", worst, err)
	}
	for name, y := range map[string][]float32{"another value": {0.5, 0.26}, "NaN": {0.5, float32(math.NaN())}, "length": {0.5}} {
		if _, err := difference(answer(t, y...), want); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestReport: each thing that may be wrong is told.
func TestReport(t *testing.T) {
	good := func() *load {
		l := &load{o: options{clients: 2, ratio: 1.1, table: filepath.Join(t.TempDir(), "t.tsv")}, held: 2 * time.Second, cpu: 1, answered: 100,
			took:    []time.Duration{3e6, 1e6, 2e6},
			moments: []moment{{at: 1e9, answered: 40, rss: 2048, cpu: 0.4}, {at: 2e9, answered: 100, rss: 2200, cpu: 1}}}
		return l
	}
	l := good()
	if err := l.report(0.01); err != nil {
		t.Error(err)
	}
	table, err := os.ReadFile(l.o.table)
	if want := "second\tanswered\trss_mib\tserver_cpu_s\n1.0\t40\t2.0\t0.40\n2.0\t100\t2.1\t1.00\n"; err != nil || string(table) != want {
		t.Errorf("got %q (%v), want %q", table, err, want)
	}
	for want, change := range map[string]func(*load){
		"1 requests failed: status 500": func(l *load) { l.failed.Add(1); l.faults = []string{"status 500"} },
		"nothing was answered":          func(l *load) { l.answered, l.took = 0, nil },
		"the memory grows":              func(l *load) { l.moments[1].rss = 2500 },
		"at most 1.1 times":             func(l *load) { l.cpu = 1.2 },
	} {
		l := good()
		change(l)
		if err := l.report(0.01); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}

func TestLook(t *testing.T) {
	m, err := look(os.Getpid())
	if err != nil || m.rss < 1000 || m.cpu < 0 {
		t.Errorf("this process: %+v (%v)", m, err)
	}
	if _, err := look(1 << 30); err == nil {
		t.Error("no such process: no error")
	}
}
