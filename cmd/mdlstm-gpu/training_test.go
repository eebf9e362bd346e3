package main

import (
	"runtime"
	"testing"

	"mdlstm-gpu/host/cuda"
)

func TestWaitedText(t *testing.T) {
	for _, test := range []struct {
		waited, stepping float64
		want             string
	}{
		{0, 0, ""}, // a finished run that was resumed
		{0, 2, ", waited for data 0.0 % of the time"},
		{0.5, 2, ", waited for data 25.0 % of the time"},
		{0.003, 1, ", waited for data 0.3 % of the time"},
	} {
		if got := (&training{waited: test.waited, stepping: test.stepping}).waitedText(); got != test.want {
			t.Errorf("%v of %v s: got %q, want %q", test.waited, test.stepping, got, test.want)
		}
	}
}

// TestDataWorkers: what makes data leaves the step a core, and a CPU engine its
// cores.
func TestDataWorkers(t *testing.T) {
	all := min(max(runtime.GOMAXPROCS(0)-1, 1), mostWorkers)
	for _, test := range []struct {
		name    string
		gpu     *cuda.Device
		threads int
		want    int
	}{
		{"CPU", nil, 0, 1},
		{"CPU with threads", nil, 8, 1},
		{"GPU", &cuda.Device{}, 0, all},
		{"GPU, one core", &cuda.Device{}, 1, 1},
		{"GPU, a rank's cores", &cuda.Device{}, 5, 4},
		{"GPU, large machine", &cuda.Device{}, 192, mostWorkers},
	} {
		if got := (computer{gpu: test.gpu, asked: computeOptions{Threads: test.threads}}).dataWorkers(); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}
