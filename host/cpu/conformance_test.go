package cpu

import (
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest"
	"mdlstm-gpu/host/nn"
)

// TestConformance runs the suite with every kind of products that this processor
// can run.
func TestConformance(t *testing.T) {
	portable, name := Gonum()
	choices := map[string]Options{"gonum": {BLAS: portable, BLASName: name}}
	for _, set := range instructionSets() {
		choices[set] = Options{set: set}
	}
	choices["recompute"] = Options{Recompute: true}
	for name, o := range choices {
		t.Run(name, func(t *testing.T) {
			enginetest.Run(t, func(t testing.TB, m *nn.Model) engine.Engine {
				e, err := New(m, o)
				if err != nil {
					t.Fatal(err)
				}
				return e
			})
		})
	}
}
