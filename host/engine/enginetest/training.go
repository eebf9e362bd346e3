package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// trainingChecks: many steps, where errors would pile up.
func trainingChecks(short bool) []Check {
	steps := 50
	if short {
		steps = 8
	}
	return []Check{
		{"training/sgd side by side", func(s *session) error {
			return sideBySide(s, engine.Update{Optimizer: engine.SGD, LR: 0.01, Momentum: 0.9}, steps)
		}},
		{"training/adam side by side", func(s *session) error {
			return sideBySide(s, engine.Update{Optimizer: engine.Adam, LR: 0.01}, steps)
		}},
		{"training/zero input", func(s *session) error { return zeroTrains(s, 64) }},
		{"training/zero corner", func(s *session) error { return zeroTrains(s, 20) }},
	}
}

// seedModel is the seed's experiment: 8x8, hidden 16, one direction.
func seedModel() nn.Config {
	c := model(nn.CellLayerNorm, 1, 16, "++")
	c.Head = nn.Head{Units: 1, Activation: nn.Sigmoid}
	return c
}

// diagonal is a batch like the seed's: uniform in [0, 0.1), ones at x1 and
// x1 + (1, 1), the target rolled by -1 along the last axis; the relevant cell is
// where the second one goes.
func diagonal(samples, n int, rng *rand.Rand) *engine.Batch {
	b := &engine.Batch{}
	for range samples {
		b.Samples = append(b.Samples, grid.Shape{n, n})
		x := make([]float32, n*n)
		for i := range x {
			x[i] = 0.1 * rng.Float32()
		}
		r, c := 1+rng.IntN(n-2), 1+rng.IntN(n-2)
		x[r*n+c], x[(r+1)*n+c+1] = 1, 1
		b.Relevant = append(b.Relevant, int32(len(b.X)+(r+1)*n+c))
		for i := range x {
			b.Y = append(b.Y, x[i/n*n+(i%n+1)%n])
		}
		b.X = append(b.X, x...)
	}
	return b
}

// sideBySide trains the seed's experiment in float32 and in float64 on the same
// batches: overall loss within 2e-6, relevant loss within 1e-5, and with SGD the
// parameters after 20 steps within 1e-5 of each tensor's largest.
func sideBySide(s *session, u engine.Update, steps int) error {
	m, err := nn.New(seedModel())
	if err != nil {
		return err
	}
	e, _, err := s.engine(seedModel(), 1)
	if err != nil {
		return err
	}
	start := m.Init(1)
	if err := e.SetParameters(start); err != nil {
		return err
	}
	want := byName(m, widen(start))
	opt := &ref.Optimizer{Rule: string(u.Optimizer), LR: u.LR, Momentum: u.Momentum}
	rng := rand.New(rand.NewPCG(30, 31))
	for step := range steps {
		b := diagonal(16, 8, rng)
		loss, err := engineStep(e, b, u)
		if err != nil {
			return err
		}
		rb, err := toRef(m, b)
		if err != nil {
			return err
		}
		r, grads, err := ref.Gradients(m.Config, want, rb, ref.Options{ClipErrors: true, Train: true})
		if err != nil {
			return err
		}
		if _, _, err := opt.Update(want, grads); err != nil {
			return err
		}
		err = errors.Join(
			s.compareNumber("side by side loss", "overall loss", loss.Sum/loss.Weight, r.LossSum/r.Weight, approx.Tolerance{Abs: 2e-6}),
			s.compareNumber("side by side relevant loss", "relevant loss", loss.Relevant/loss.RelevantCount, r.Relevant/r.RelevantCount, approx.Tolerance{Abs: 1e-5}),
		)
		if err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
		if u.Optimizer == engine.SGD && step == min(19, steps-1) {
			if err := s.matchParameters(e, want); err != nil {
				return fmt.Errorf("step %d: %w", step, err)
			}
		}
	}
	return nil
}

func (s *session) matchParameters(e engine.Engine, want ref.Params) error {
	got := nans(e.Model().Size())
	if err := e.Parameters(got); err != nil {
		return err
	}
	var errs []error
	for _, t := range e.Model().Params {
		errs = append(errs, s.compare("side by side parameter", t.Name, t.Shape, got[t.Offset:t.Offset+t.Size()], want[t.Name],
			approx.OfLargest(want[t.Name], 1e-5, 0)))
	}
	return errors.Join(errs...)
}

// engineStep is one training step.
func engineStep(e engine.Engine, b *engine.Batch, u engine.Update) (engine.Loss, error) {
	plan, err := e.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		return engine.Loss{}, err
	}
	weight, err := plan.Load(b)
	if err != nil {
		return engine.Loss{}, err
	}
	loss, err := plan.Gradients(engine.Pass{Normaliser: weight})
	if err != nil {
		return loss, err
	}
	r, err := e.Update(u)
	if err == nil && !r.Finite {
		err = errors.New("a gradient is not finite")
	}
	return loss, err
}

// zeroTrains: the seed's cell with its default clip_error takes 20 steps on
// inputs whose first cells are zero, on which the seed itself gives NaN.
func zeroTrains(s *session, zeros int) error {
	e, _, err := s.engine(seedModel(), 1)
	if err != nil {
		return err
	}
	if err := e.SetParameters(e.Model().Init(1)); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(32, 33))
	for step := range 20 {
		b := diagonal(4, 8, rng)
		for n := range b.Samples {
			clear(b.X[64*n : 64*n+zeros])
		}
		loss, err := engineStep(e, b, engine.Update{Optimizer: engine.Adam, LR: 0.01})
		if err == nil {
			err = approx.Finite("loss", []float64{loss.Sum})
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
	}
	p := nans(e.Model().Size())
	return errors.Join(e.Parameters(p), approx.Finite("parameters", p))
}
