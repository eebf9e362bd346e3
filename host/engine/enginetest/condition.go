package enginetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/nn"
)

// conditionLimit bounds how far the gradients of a case may move in float64, as
// a share of a tensor's largest, when every parameter moves by half a unit in
// the last place of a float32. Beyond it (a layer norm over nearly equal values,
// a long chain of them) the tolerance would measure the case and not the engine:
// a sound float32 engine was seen to err by up to 15 times this movement.
const conditionLimit = gradientTolerance / 20

// draws is how often the numbers of a case are drawn anew to keep conditionLimit.
const draws = 12

// errCondition says that no draw of a case's numbers kept conditionLimit.
var errCondition = errors.New("ill-conditioned")

// numbers are what a case is computed on, and what host/ref makes of it.
type numbers struct {
	seed   uint64
	params []float32
	batch  *engine.Batch
	want   expected
}

// draw draws parameters and a batch for a case.
func (c testCase) draw(m *nn.Model) (numbers, error) {
	least := math.Inf(1)
	for n := range uint64(draws) {
		d := numbers{seed: c.seed + n<<32}
		d.params = parameters(m, d.seed)
		var err error
		d.batch, err = makeBatch(m, c.shapes, c.data, rand.New(rand.NewPCG(d.seed, 2)))
		if err != nil {
			return d, err
		}
		d.want, err = expect(m, widen(d.params), d.batch, c.pass)
		if err != nil {
			return d, err
		}
		moved, err := c.movement(m, d)
		if err != nil || moved <= conditionLimit {
			return d, err
		}
		least = min(least, moved)
	}
	return numbers{}, fmt.Errorf("%w: gradients move by %.1e of the largest for half a unit in the last place of the parameters, want at most %.1e",
		errCondition, least, conditionLimit)
}

// movement is what conditionLimit bounds.
func (c testCase) movement(m *nn.Model, d numbers) (float64, error) {
	rng := rand.New(rand.NewPCG(d.seed, 4))
	nearby := widen(d.params)
	for i := range nearby {
		nearby[i] *= 1 + float64(2*rng.IntN(2)-1)/(1<<24)
	}
	e, err := expect(m, nearby, d.batch, c.pass)
	if err != nil {
		return 0, err
	}
	moved, floor := 0.0, max(gradientFloor*approx.Largest(d.want.gradients), 1e-9)
	for _, t := range m.Params {
		from, to := t.Offset, t.Offset+t.Size()
		largest := max(approx.Largest(d.want.gradients[from:to]), floor)
		for i := from; i < to; i++ {
			moved = max(moved, math.Abs(e.gradients[i]-d.want.gradients[i])/largest)
		}
	}
	return moved, nil
}
