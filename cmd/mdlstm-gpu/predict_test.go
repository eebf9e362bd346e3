package main

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"mdlstm-gpu/host/npy"
)

// TestPredictAgreesWithEval: the loss of what predict writes is the loss that
// eval prints, also where samples are smaller than the array.
func TestPredictAgreesWithEval(t *testing.T) {
	t.Chdir(t.TempDir())
	trained(t, "run", func(o *trainOptions) { o.Directions = "all" })
	const samples, rows, columns = 5, 4, 3
	array(t, "x.npy", samples, rows, columns, 1)
	array(t, "y.npy", samples, rows, columns, 1)
	full, unequal := []int64{4, 3, 4, 3, 4, 3, 4, 3, 4, 3}, []int64{4, 3, 1, 1, 2, 3, 4, 1, 3, 2}
	integers(t, "sizes.npy", unequal, samples, 2)
	for _, c := range []struct {
		name  string
		flags []string
		sizes []int64
	}{
		{"equal", nil, full},
		{"unequal", []string{"--sizes", "sizes.npy"}, unequal},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"predict", "--model", "run", "--in", "x.npy", "--out", c.name + ".npy", "--batch", "2"}, c.flags...)
			if out, want := must(t, args...), c.name+".npy: [5, 4, 3, 1] of 5 samples\n"; out != want {
				t.Errorf("got %q, want %q", out, want)
			}
			got, err := npy.Read(c.name + ".npy")
			if err != nil {
				t.Fatal(err)
			}
			y, err := npy.Read("y.npy")
			if err != nil {
				t.Fatal(err)
			}
			sum, n := 0.0, 0.0
			for i := range got.Data {
				b, r, k := i/(rows*columns), i/columns%rows, i%columns
				if r >= int(c.sizes[2*b]) || k >= int(c.sizes[2*b+1]) {
					if got.Data[i] != 0 {
						t.Errorf("value %v outside the sample at [%d %d %d], want 0", got.Data[i], b, r, k)
					}
					continue
				}
				if got.Data[i] <= 0 || got.Data[i] >= 1 {
					t.Errorf("value %v of a sigmoid at [%d %d %d]", got.Data[i], b, r, k)
				}
				d := float64(got.Data[i]) - float64(y.Data[i])
				sum, n = sum+d*d, n+1
			}
			args = append([]string{"eval", "--model", "run", "--x", "x.npy", "--y", "y.npy", "--batch", "3"}, c.flags...)
			var loss, weight float64
			for line := range strings.Lines(must(t, args...)) {
				fmt.Sscanf(line, "overall_loss %g", &loss)
				fmt.Sscanf(line, "weight %g", &weight)
			}
			if math.Abs(loss-sum/n) > 1e-5*loss || weight != n {
				t.Errorf("eval says %v over %v cells, the prediction has %v over %v", loss, weight, sum/n, n)
			}
		})
	}
	if out := do("predict", "--model", "run", "--in", "x.npy", "--out", "equal.npy", "--overwrite"); out.code != exitDone {
		t.Errorf("--overwrite: %s", out.err)
	}
}

// TestEvalGenerated: relevant losses are printed where the task has them, and
// the samples do not depend on the run.
func TestEvalGenerated(t *testing.T) {
	t.Chdir(t.TempDir())
	trained(t, "run", nil)
	first := must(t, "eval", "--model", "run/model.safetensors", "--size", "4x5", "--steps", "3")
	if !strings.Contains(first, "relevant_loss") || !strings.Contains(first, "batches        3\n") {
		t.Errorf("got %q", first)
	}
	if again := must(t, "eval", "--model", "run", "--size", "4x5", "--steps", "3", "--threads", "1"); again != first {
		t.Errorf("got %q, then %q", first, again)
	}
	if fields := must(t, "eval", "--model", "run", "--task", "fields"); strings.Contains(fields, "relevant") {
		t.Errorf("fields: got %q", fields)
	}
}
