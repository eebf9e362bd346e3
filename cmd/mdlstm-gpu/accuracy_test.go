package main

import (
	"fmt"
	"strings"
	"testing"

	"mdlstm-gpu/host/npy"
)

// TestAccuracy: eval's accuracy is that of what predict writes, over several
// batches of unequal samples; a model of values has none.
func TestAccuracy(t *testing.T) {
	t.Chdir(t.TempDir())
	array(t, "x.npy", 3, 2, 2, 1)
	classes := []int64{0, 1, 2, 1, 2, 9, 9, 9, 1, 9, 0, 0}
	integers(t, "y.npy", classes, 3, 2, 2)
	integers(t, "s.npy", []int64{2, 2, 1, 1, 2, 2}, 3, 2)
	ignored := 9
	trained(t, "run", func(o *trainOptions) {
		o.Task, o.X, o.Y, o.Sizes, o.IgnoreIndex, o.Steps = taskArrays, "x.npy", "y.npy", "s.npy", &ignored, 20
	})
	must(t, "predict", "--model", "run", "--in", "x.npy", "--sizes", "s.npy", "--out", "p.npy")
	p, err := npy.Read("p.npy")
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i, class := range classes {
		out := p.Data[3*i:][:3]
		if class != 9 && out[class] == max(out[0], out[1], out[2]) {
			right++
		}
	}
	said := must(t, "eval", "--model", "run", "--x", "x.npy", "--y", "y.npy", "--sizes", "s.npy", "--batch", "2")
	if want := fmt.Sprintf("accuracy       %.6g\n", float64(right)/8); !strings.Contains(said, want) || !strings.Contains(said, "weight         8\n") {
		t.Errorf("got %q, want %q", said, want)
	}
	trained(t, "values", nil)
	if said := must(t, "eval", "--model", "values", "--size", "4x4"); strings.Contains(said, "accuracy") {
		t.Errorf("values: got %q", said)
	}
}
