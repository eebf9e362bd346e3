package cpu

import (
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest"
	"mdlstm-gpu/host/nn"
)

// TestConformance runs the suite with every kind of products that this processor
// can run; in short with the default alone, keeping its gates and not, in one part
// and sample by sample.
func TestConformance(t *testing.T) {
	choices := map[string]Options{"default": {}, "recompute": {Recompute: true}, "parts": {part: 1}}
	if !testing.Short() {
		portable, name := Gonum()
		choices["gonum"] = Options{BLAS: portable, BLASName: name}
		for _, set := range instructionSets()[min(1, len(instructionSets())):] { // the first is the default
			choices[set] = Options{set: set}
		}
	}
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
