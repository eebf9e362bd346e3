package nn

import (
	"fmt"
	"math"
)

// GrowthWarnings has one line for each layer whose cell state can grow without
// bound at the start of training, and what to do about it. In a plain or graves
// cell with zero biases every one of D forget gates passes σ(forget_bias) of
// the state of its axis, so a state that they agree on grows by D·σ(forget_bias)
// every wavefront; above 1 that is exponential in the size of the grid (Leifert
// et al., JMLR 2016).
func (c Config) GrowthWarnings() []string {
	var warnings []string
	for i, l := range c.Layers {
		if l.Type != TypeMDLSTM || l.Cell != CellPlain && l.Cell != CellGraves || len(l.Directions) == 0 {
			continue
		}
		axes := float64(len(l.Directions[0]))
		growth := axes / (1 + math.Exp(-l.ForgetBias))
		if axes < 2 || growth <= 1 {
			continue
		}
		safe := 0 - math.Ceil(math.Log(axes-1)*100)/100 // 0 - x, as -x would print -0
		warnings = append(warnings, fmt.Sprintf(
			"layers[%d]: %s cell on %.0f axes with forget_bias %v: its state can grow %.3g times every wavefront: lower forget_bias to %v or less, or use cell %s or %s",
			i, l.Cell, axes, l.ForgetBias, growth, safe, CellStable, CellLeakyLP))
	}
	return warnings
}
