package enginetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// extremeChecks: inputs and weights where careless float32 gives NaN.
func extremeChecks() []Check {
	var checks []Check
	shapes := []grid.Shape{{6, 5}, {2, 2}}
	for _, cell := range nn.Cells {
		for _, scale := range []float64{1e4, 1e15, 1e30} {
			checks = append(checks, Check{fmt.Sprintf("extreme/%s/input of %.0e", cell, scale), func(s *session) error {
				return finite(s, model(cell, 2, 8, "++", "--"), shapes, func(b *engine.Batch, _ *nn.Model, _ []float32) {
					for i := range b.X {
						b.X[i] *= float32(scale)
					}
				}, false)
			}})
		}
		checks = append(checks,
			Check{"extreme/" + cell + "/zero input", func(s *session) error {
				return finite(s, model(cell, 2, 8, "++", "--"), shapes, func(b *engine.Batch, _ *nn.Model, _ []float32) { clear(b.X) }, true)
			}},
			Check{"extreme/" + cell + "/zero input, initial parameters", func(s *session) error {
				return finite(s, model(cell, 1, 16, "++"), []grid.Shape{{8, 8}, {8, 8}}, func(b *engine.Batch, m *nn.Model, p []float32) {
					clear(b.X)
					copy(p, m.Init(1))
				}, true)
			}},
			Check{"extreme/" + cell + "/zero corner", func(s *session) error {
				return finite(s, model(cell, 1, 16, "++"), []grid.Shape{{8, 8}}, func(b *engine.Batch, m *nn.Model, p []float32) {
					for r := range 5 {
						clear(b.X[8*r : 8*r+5])
					}
					copy(p, m.Init(1))
				}, true)
			}},
			Check{"extreme/" + cell + "/zero parameters", func(s *session) error {
				return finite(s, model(cell, 2, 8, "++", "--"), shapes, func(_ *engine.Batch, _ *nn.Model, p []float32) { clear(p) }, true)
			}},
		)
	}
	for _, loss := range []string{nn.CrossEntropy, nn.BinaryCrossEntropy} {
		checks = append(checks, Check{"extreme/" + loss + "/huge logits", func(s *session) error { return hugeLogits(s, loss) }})
	}
	return append(checks, Check{"extreme/NaN passes through a clamp", nanPasses})
}

// finite asks for finite outputs and losses, and for finite gradients too where
// the mathematics promises them.
func finite(s *session, c nn.Config, shapes []grid.Shape, edit func(*engine.Batch, *nn.Model, []float32), gradients bool) error {
	e, p, err := s.engine(c, 1)
	if err != nil {
		return err
	}
	b, err := makeBatch(e.Model(), shapes, data{}, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		return err
	}
	edit(b, e.Model(), p)
	if err := e.SetParameters(p); err != nil {
		return err
	}
	plan, err := e.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		return err
	}
	r, err := compute(e, plan, b, engine.Pass{})
	if err != nil {
		return err
	}
	err = errors.Join(approx.Finite("outputs", r.outputs), approx.Finite("loss", []float64{r.loss.Sum}))
	if !gradients {
		return err
	}
	where, found := plan.FindNonFinite()
	if where != "" {
		err = errors.Join(err, fmt.Errorf("FindNonFinite: %q, want none", where))
	}
	return errors.Join(err, found, approx.Finite("gradients", r.arena))
}

// hugeLogits: losses come from the logits, so a certain and wrong answer costs
// its logit, not infinity.
func hugeLogits(s *session, loss string) error {
	c := nn.Config{Input: 2, Loss: loss, Head: nn.Head{Units: 2, Activation: nn.Softmax}}
	if loss == nn.BinaryCrossEntropy {
		c.Head.Activation = nn.Sigmoid
	}
	e, p, err := s.engine(c, 1)
	if err != nil {
		return err
	}
	copy(p, []float32{1, 0, 0, 1, 0, 0}) // the head passes its input on
	if err := e.SetParameters(p); err != nil {
		return err
	}
	b := &engine.Batch{Samples: []grid.Shape{{1, 2}}, X: []float32{3000, -3000, -50, 50}}
	if loss == nn.CrossEntropy {
		b.Class = []int32{1, 1}
	} else {
		b.Y = []float32{0, 1, 0, 1}
	}
	plan, err := e.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		return err
	}
	got, err := compute(e, plan, b, engine.Pass{})
	if err != nil {
		return err
	}
	want, err := expect(e.Model(), widen(p), b, engine.Pass{})
	if err != nil {
		return err
	}
	if math.Abs(want.train.LossSum-6000) > 1 {
		return fmt.Errorf("host/ref: loss %v, want about 6000", want.train.LossSum)
	}
	return s.match(e.Model(), got, want)
}

// nanPasses: a clamp that swallows NaN would hide it from Update.
func nanPasses(s *session) error {
	c := model(nn.CellPlain, 1, 8, "++")
	c.Layers[0].ClipError = ptr(0.5)
	e, p, err := s.engine(c, 1)
	if err != nil {
		return err
	}
	head, _ := e.Model().Param("head.weight")
	p[head.Offset] = float32(math.NaN())
	if err := e.SetParameters(p); err != nil {
		return err
	}
	b, plan, err := planned(e, []grid.Shape{{2, 2}}, data{}, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		return err
	}
	r, err := compute(e, plan, b, engine.Pass{})
	if err != nil {
		return err
	}
	ih, _ := e.Model().Param("layers.0.weight_ih")
	return mustFail("gradients of layers.0.weight_ih behind a NaN in the head are finite", approx.Finite("", r.arena[ih.Offset:ih.Offset+ih.Size()]))
}
