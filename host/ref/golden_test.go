package ref

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"mdlstm-gpu/host/nn"
)

// goldenTolerance: both sides are float64; the worst difference measured is
// 2.9e-15 of a tensor's largest element.
const goldenTolerance = 2e-14

// TestGolden compares with PyTorch's autograd: testdata/README.md.
func TestGolden(t *testing.T) {
	for _, cell := range allCells {
		t.Run(cell, func(t *testing.T) {
			text, err := os.ReadFile("testdata/golden_" + cell + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var cases []struct {
				Config  nn.Config
				Samples []struct {
					Shape []int
					X, Y  []float64
				}
				Params, Gradients Params
				Outputs           [][]float64
				LossSum           float64 `json:"loss_sum"`
				Weight            float64
			}
			if err := json.Unmarshal(text, &cases); err != nil {
				t.Fatal(err)
			}
			if len(cases) != 2 {
				t.Fatalf("%d cases, want 2", len(cases))
			}
			for n, g := range cases {
				var b Batch
				for _, s := range g.Samples {
					b.Samples = append(b.Samples, Sample{Shape: s.Shape, X: s.X, Y: s.Y})
				}
				res, grads, err := Gradients(g.Config, g.Params, b, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(res.LossSum-g.LossSum) > 1e-13*g.LossSum || res.Weight != g.Weight {
					t.Errorf("case %d: loss %v of %v, want %v of %v", n, res.LossSum, res.Weight, g.LossSum, g.Weight)
				}
				got, want := Params{}, Params{}
				for name := range g.Gradients {
					got["gradient of "+name], want["gradient of "+name] = grads[name], g.Gradients[name]
				}
				for i := range g.Outputs {
					got["output"], want["output"] = append(got["output"], res.Outputs[i]...), append(want["output"], g.Outputs[i]...)
				}
				share, where, err := worst(got, want)
				if err != nil || share > goldenTolerance {
					t.Errorf("case %d: %.1e at %s, want at most %.0e (error %v)", n, share, where, goldenTolerance, err)
				}
				t.Logf("case %d: worst %.1e: %s", n, share, where)
			}
		})
	}
}
