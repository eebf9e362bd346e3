package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// planChecks: what plans and the arena promise.
func planChecks() []Check {
	return []Check{
		{"plan/gradients add up", accumulation},
		{"plan/batches within a capacity", capacityReuse},
		{"plan/more plans than the limit", manyPlans},
		{"plan/nothing counts", nothingCounts},
		{"plan/predict into nil", predictNil},
		{"plan/bytes", planBytes},
		{"arena/set and zero", setGradients},
		{"arena/buckets", buckets},
		{"parameters/in and out", parametersRoundTrip},
	}
}

// small is the model of checks that are not about the model.
func small() nn.Config {
	c := model(nn.CellPlain, 2, 5, "+-", "-+")
	c.Layers[0].Dropout = 0.2
	return c
}

// accumulation: two batches, divided by their common weight, add into one arena.
func accumulation(s *session) error {
	e, p, err := s.engine(small(), 3)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(3, 4))
	want := make([]float64, e.Model().Size())
	pass := engine.Pass{Normaliser: 90, Seed: 5, Step: 6}
	for _, shapes := range [][]grid.Shape{{{4, 3}, {2, 2}}, {{1, 5}}, {{3, 3}, {1, 1}, {2, 6}}} {
		b, err := makeBatch(e.Model(), shapes, data{first: int64(len(want))}, rng)
		if err != nil {
			return err
		}
		plan, err := e.Plan(b.Samples, engine.Capacity{})
		if err != nil {
			return err
		}
		if _, err := plan.Load(b); err != nil {
			return err
		}
		if _, err := plan.Gradients(pass); err != nil {
			return err
		}
		x, err := expect(e.Model(), p, b, pass)
		if err != nil {
			return err
		}
		for i, g := range x.gradients {
			want[i] += g
		}
	}
	got := nans(len(want))
	if err := e.Gradients(got); err != nil {
		return err
	}
	return s.matchGradients(e.Model(), got, want)
}

// capacityReuse: random batches through one large plan have the bits that a
// fresh engine gives them.
func capacityReuse(s *session) error {
	c := small()
	e, _, err := s.engine(c, 4)
	if err != nil {
		return err
	}
	capacity := engine.Capacity{Rows: 6 * 7 * 5, Wavefronts: 13, Samples: 6}
	rng := rand.New(rand.NewPCG(4, 5))
	pass := engine.Pass{Seed: 1, Step: 2}
	plan, err := e.Plan([]grid.Shape{{2, 2}}, capacity)
	if err != nil {
		return err
	}
	for round := range 8 {
		var shapes []grid.Shape
		for range 1 + rng.IntN(capacity.Samples) {
			shapes = append(shapes, grid.Shape{1 + rng.IntN(6), 1 + rng.IntN(5)})
		}
		b, err := makeBatch(e.Model(), shapes, data{first: int64(round)}, rng)
		if err != nil {
			return err
		}
		if err := e.ZeroGradients(); err != nil {
			return err
		}
		got, err := compute(e, plan, b, pass)
		if err != nil {
			return fmt.Errorf("round %d, %v: %w", round, shapes, err)
		}
		other, _, err := s.engine(c, 4)
		if err != nil {
			return err
		}
		own, err := other.Plan(b.Samples, engine.Capacity{})
		if err != nil {
			return err
		}
		want, err := compute(other, own, b, pass)
		if err != nil {
			return err
		}
		if err := sameResults(got, want); err != nil {
			return fmt.Errorf("round %d, %v: a large plan against one of its own: %w", round, shapes, err)
		}
	}
	return nil
}

// manyPlans: PlanLimit others do not disturb the newest, and asking again for
// sizes that were dropped works.
func manyPlans(s *session) error {
	e, p, err := s.engine(small(), 5)
	if err != nil {
		return err
	}
	for round := range 2 {
		for n := 1; n <= engine.PlanLimit+2; n++ {
			b, err := makeBatch(e.Model(), []grid.Shape{{n, 7 - n}}, data{}, rand.New(rand.NewPCG(5, uint64(n))))
			if err != nil {
				return err
			}
			plan, err := e.Plan(b.Samples, engine.Capacity{})
			if err != nil {
				return err
			}
			if err := e.ZeroGradients(); err != nil {
				return err
			}
			got, err := compute(e, plan, b, engine.Pass{})
			if err != nil {
				return err
			}
			want, err := expect(e.Model(), p, b, engine.Pass{})
			if err != nil {
				return err
			}
			if err := s.match(e.Model(), got, want); err != nil {
				return fmt.Errorf("round %d, plan %d: %w", round, n, err)
			}
		}
	}
	return nil
}

// nothingCounts: weight 0 divides nothing by zero, and adds nothing.
func nothingCounts(s *session) error {
	c := small()
	c.Head, c.Loss, c.IgnoreIndex = nn.Head{Units: 3, Activation: nn.Softmax}, nn.CrossEntropy, ptr(9)
	e, _, err := s.engine(c, 6)
	if err != nil {
		return err
	}
	b, err := makeBatch(e.Model(), []grid.Shape{{2, 3}}, data{}, rand.New(rand.NewPCG(6, 7)))
	if err != nil {
		return err
	}
	for i := range b.Class {
		b.Class[i] = 9
	}
	plan, err := e.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		return err
	}
	r, err := compute(e, plan, b, engine.Pass{})
	if err != nil {
		return err
	}
	if r.weight != 0 || r.loss != (engine.Loss{}) || r.predicted != (engine.Loss{}) {
		return fmt.Errorf("weight %v, losses %+v and %+v, want all zero", r.weight, r.loss, r.predicted)
	}
	return errors.Join(approx.Finite("outputs", r.outputs), allZero("gradients", r.arena))
}

func allZero(name string, v []float32) error {
	for i, x := range v {
		if x != 0 {
			return fmt.Errorf("%s[%d] = %v, want 0", name, i, x)
		}
	}
	return nil
}

// predictNil: losses without copying outputs.
func predictNil(s *session) error {
	e, _, err := s.engine(small(), 7)
	if err != nil {
		return err
	}
	b, err := makeBatch(e.Model(), []grid.Shape{{3, 2}}, data{}, rand.New(rand.NewPCG(7, 8)))
	if err != nil {
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
	loss, err := plan.Predict(nil)
	if err != nil || loss != r.predicted {
		return fmt.Errorf("got %+v (error %v), want %+v", loss, err, r.predicted)
	}
	_, err = plan.Predict(make([]float32, len(r.outputs)-1))
	return wrapsShape("predict into a short slice", err)
}

// planBytes: a plan says what it holds, and more room holds more.
func planBytes(s *session) error {
	e, _, err := s.engine(small(), 8)
	if err != nil {
		return err
	}
	var last int64
	for _, n := range []int{2, 20} {
		plan, err := e.Plan([]grid.Shape{{n, n}}, engine.Capacity{})
		if err != nil {
			return err
		}
		total, perRow := plan.Bytes()
		if total <= last || perRow <= 0 || perRow*float64(n*n) > 1.01*float64(total) {
			return fmt.Errorf("%dx%d: %d bytes, %v a row, after %d for less", n, n, total, perRow, last)
		}
		last = total
	}
	return nil
}

func setGradients(s *session) error {
	e, _, err := s.engine(small(), 9)
	if err != nil {
		return err
	}
	n := e.Model().Size()
	set, got := make([]float32, n), nans(n)
	for i := range set {
		set[i] = float32(i) - 3.5
	}
	keep := slices.Clone(set)
	if err := errors.Join(e.SetGradients(set), e.SetGradients(set), e.Gradients(got)); err != nil { // twice: it overwrites
		return err
	}
	if err := approx.SameBits("gradients after SetGradients", got, keep); err != nil {
		return err
	}
	set[0] = 99 // the arena is a copy
	if err := errors.Join(e.Gradients(got), approx.SameBits("gradients after the caller changed its slice", got, keep)); err != nil {
		return err
	}
	if err := errors.Join(e.ZeroGradients(), e.Gradients(got)); err != nil {
		return err
	}
	if err := allZero("gradients after ZeroGradients", got); err != nil {
		return err
	}
	return errors.Join(
		wrapsShape("Gradients into a short slice", e.Gradients(got[:n-1])),
		wrapsShape("SetGradients from a long slice", e.SetGradients(make([]float32, n+1))),
	)
}

// buckets: ranges that cover the arena exactly once, ready after a call.
func buckets(s *session) error {
	e, _, err := s.engine(small(), 10)
	if err != nil {
		return err
	}
	b, err := makeBatch(e.Model(), []grid.Shape{{3, 3}}, data{}, rand.New(rand.NewPCG(1, 9)))
	if err != nil {
		return err
	}
	plan, err := e.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		return err
	}
	if _, err := compute(e, plan, b, engine.Pass{}); err != nil {
		return err
	}
	times := make([]int, e.Model().Size())
	for n, bucket := range e.Buckets() {
		if bucket.From < 0 || bucket.From >= bucket.To || bucket.To > len(times) {
			return fmt.Errorf("bucket %d: [%d, %d) of %d", n, bucket.From, bucket.To, len(times))
		}
		for i := bucket.From; i < bucket.To; i++ {
			times[i]++
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := bucket.Ready(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("bucket %d: %w", n, err)
		}
	}
	for i, n := range times {
		if n != 1 {
			return fmt.Errorf("element %d of the arena lies in %d buckets, want 1", i, n)
		}
	}
	return nil
}

func parametersRoundTrip(s *session) error {
	e, want, err := s.engine(small(), 11)
	if err != nil {
		return err
	}
	got := nans(len(want))
	if err := errors.Join(e.Parameters(got), approx.SameBits("parameters", got, want)); err != nil {
		return err
	}
	got[0]++ // a copy
	again := nans(len(want))
	if err := errors.Join(e.Parameters(again), approx.SameBits("parameters after the caller changed its slice", again, want)); err != nil {
		return err
	}
	return errors.Join(
		wrapsShape("Parameters into a short slice", e.Parameters(got[:len(got)-1])),
		wrapsShape("SetParameters from a long slice", e.SetParameters(make([]float32, len(got)+1))),
	)
}
