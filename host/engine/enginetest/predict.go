package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
)

// planToPredict: batches of many sizes through one plan that only predicts have
// the bits of ordinary plans; it takes no more memory than they do, an ordinary
// plan is never one of these.
func planToPredict(s *session) error {
	e, _, err := s.engine(small(), 31)
	if err != nil {
		return err
	}
	other, _, err := s.engine(small(), 31)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(31, 32))
	capacity := engine.Capacity{Rows: 5 * 42, Wavefronts: 12, Samples: 5, Predict: true}
	plan, err := e.Plan([]grid.Shape{{6, 7}}, capacity)
	if err != nil {
		return err
	}
	for round := range 5 {
		var shapes []grid.Shape
		for range 1 + rng.IntN(5) {
			shapes = append(shapes, grid.Shape{1 + rng.IntN(6), 1 + rng.IntN(7)})
		}
		b, err := makeBatch(e.Model(), shapes, data{noTargets: round%2 == 0}, rng)
		if err != nil {
			return err
		}
		if again, err := e.Plan(shapes, engine.Capacity{Predict: true}); err != nil || again != plan {
			return fmt.Errorf("round %d, %v: another plan (error %v), want the one with room", round, shapes, err)
		}
		ordinary, err := other.Plan(shapes, engine.Capacity{})
		if err != nil {
			return err
		}
		got, err := predicted(plan, b, e.Model().Units())
		if err != nil {
			return err
		}
		want, err := predicted(ordinary, b, e.Model().Units())
		if err != nil {
			return err
		}
		if err := approx.SameBits("outputs", got, want); err != nil {
			return fmt.Errorf("round %d, %v: %w", round, shapes, err)
		}
	}
	return predictsAndTrains(s)
}

// predicted loads a batch and predicts it.
func predicted(plan engine.Plan, b *engine.Batch, units int) ([]float32, error) {
	if _, err := plan.Load(b); err != nil {
		return nil, err
	}
	count := 0
	for _, shape := range b.Samples {
		count += cells(shape)
	}
	out := nans(count * units)
	_, err := plan.Predict(out)
	return out, err
}

// predictsAndTrains: who asked to predict first can train afterwards, and
// gradients are right or refused.
func predictsAndTrains(s *session) error {
	e, p, err := s.engine(small(), 33)
	if err != nil {
		return err
	}
	b, err := makeBatch(e.Model(), []grid.Shape{{3, 4}}, data{}, rand.New(rand.NewPCG(33, 34)))
	if err != nil {
		return err
	}
	first, err := e.Plan(b.Samples, engine.Capacity{Predict: true})
	if err != nil {
		return err
	}
	if _, err := first.Load(b); err != nil {
		return err
	}
	if _, err := first.Gradients(engine.Pass{}); err != nil && !errors.Is(err, engine.ErrShape) {
		return fmt.Errorf("gradients of a plan to predict: error %w, want none or one that wraps ErrShape", err)
	}
	if err := e.ZeroGradients(); err != nil {
		return err
	}
	ordinary, err := e.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		return err
	}
	small, _ := first.Bytes()
	if large, _ := ordinary.Bytes(); small > large {
		return fmt.Errorf("%d bytes to predict, %d for an ordinary plan", small, large)
	}
	got, err := compute(e, ordinary, b, engine.Pass{})
	if err != nil {
		return err
	}
	want, err := expect(e.Model(), widen(p), b, engine.Pass{})
	if err != nil {
		return err
	}
	return s.match(e.Model(), got, want)
}
