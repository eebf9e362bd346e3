package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// planChecks: what plans promise.
func planChecks() []Check {
	return []Check{
		{"plan/gradients add up", accumulation},
		{"plan/batches within a capacity", capacityReuse},
		{"plan/taken again", takenAgain},
		{"plan/stays valid", staysValid},
		{"plan/more plans than the limit", manyPlans},
		{"plan/load copies", loadCopies},
		{"plan/nothing counts", nothingCounts},
		{"plan/no targets", noTargets},
		{"plan/any number of cores", anyCores},
		{"plan/predict into nil", predictNil},
		{"plan/bytes", planBytes},
		{"plan/to predict", planToPredict},
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
		x, err := expect(e.Model(), widen(p), b, pass)
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

// takenAgain: a plan that is large enough is not made twice.
func takenAgain(s *session) error {
	e, _, err := s.engine(small(), 25)
	if err != nil {
		return err
	}
	first, err := e.Plan([]grid.Shape{{4, 5}, {3, 3}}, engine.Capacity{})
	if err != nil {
		return err
	}
	for _, shapes := range [][]grid.Shape{{{4, 5}, {3, 3}}, {{3, 3}, {4, 5}}, {{2, 2}}} {
		again, err := e.Plan(shapes, engine.Capacity{})
		if err != nil {
			return err
		}
		if again != first {
			return fmt.Errorf("%v: another plan, want the one for 4x5 and 3x3", shapes)
		}
	}
	larger, err := e.Plan([]grid.Shape{{4, 5}, {3, 3}, {1, 1}}, engine.Capacity{})
	if err != nil {
		return err
	}
	if larger == first {
		return errors.New("one sample more: the same plan, want a larger one")
	}
	return nil
}

// staysValid: a plan works on while fewer than PlanLimit others are made.
func staysValid(s *session) error {
	e, _, err := s.engine(small(), 26)
	if err != nil {
		return err
	}
	b, plan, err := planned(e, []grid.Shape{{2, 3}}, data{}, rand.New(rand.NewPCG(26, 27)))
	if err != nil {
		return err
	}
	want, err := compute(e, plan, b, engine.Pass{})
	if err != nil {
		return err
	}
	for n := 1; n < engine.PlanLimit; n++ {
		if _, err := e.Plan([]grid.Shape{{2 + n, 3 + n}}, engine.Capacity{}); err != nil {
			return err
		}
	}
	if err := e.ZeroGradients(); err != nil {
		return err
	}
	got, err := compute(e, plan, b, engine.Pass{})
	if err != nil {
		return err
	}
	return sameResults(got, want)
}

// loadCopies: what the caller does with its batch after Load changes nothing.
func loadCopies(s *session) error {
	e, _, err := s.engine(small(), 27)
	if err != nil {
		return err
	}
	b, plan, err := planned(e, []grid.Shape{{2, 3}, {4, 2}}, data{relevant: true}, rand.New(rand.NewPCG(27, 28)))
	if err != nil {
		return err
	}
	first, err := compute(e, plan, b, engine.Pass{})
	if err != nil {
		return err
	}
	if err := e.ZeroGradients(); err != nil {
		return err
	}
	if _, err := plan.Load(b); err != nil {
		return err
	}
	for _, v := range [][]float32{b.X, b.Y} {
		for i := range v {
			v[i] = 7
		}
	}
	clear(b.Relevant)
	for _, shape := range b.Samples {
		clear(shape)
	}
	loss, err := plan.Gradients(engine.Pass{})
	if err != nil {
		return err
	}
	if loss != first.loss {
		return fmt.Errorf("loss %+v after the caller changed its batch, want %+v", loss, first.loss)
	}
	arena := nans(e.Model().Size())
	return errors.Join(e.Gradients(arena), approx.SameBits("gradients", arena, first.arena))
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
			want, err := expect(e.Model(), widen(p), b, engine.Pass{})
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

// noTargets: a batch without targets can be predicted but not learnt from.
func noTargets(s *session) error {
	e, p, err := s.engine(small(), 23)
	if err != nil {
		return err
	}
	b, plan, err := planned(e, []grid.Shape{{2, 3}, {4, 1}}, data{noTargets: true}, rand.New(rand.NewPCG(23, 24)))
	if err != nil {
		return err
	}
	weight, err := plan.Load(b)
	if err != nil || weight != 0 {
		return fmt.Errorf("load: weight %v (error %v), want 0", weight, err)
	}
	if _, err := plan.Gradients(engine.Pass{}); !errors.Is(err, engine.ErrData) {
		return fmt.Errorf("gradients: got error %v, want one that wraps ErrData", err)
	}
	out, arena := nans(10*e.Model().Units()), nans(e.Model().Size())
	loss, err := plan.Predict(out)
	if err != nil || loss != (engine.Loss{}) {
		return fmt.Errorf("predict: loss %+v (error %v), want zero", loss, err)
	}
	want, err := expect(e.Model(), widen(p), b, engine.Pass{})
	if err != nil {
		return err
	}
	return errors.Join(s.matchOutputs(out, want.predict), e.Gradients(arena), allZero("gradients", arena))
}

// anyCores: the bits do not depend on how many cores there are.
func anyCores(s *session) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var shapes []grid.Shape
	for n := range 20 {
		shapes = append(shapes, grid.Shape{4 + n%5, 9 - n%4})
	}
	for _, cell := range nn.Cells {
		c := model(cell, 3, 16, corners(2)...)
		var first results
		for n, cores := range []int{1, 2, 3, 7} {
			runtime.GOMAXPROCS(cores)
			e, _, err := s.engine(c, 24)
			if err != nil {
				return err
			}
			b, err := makeBatch(e.Model(), shapes, data{}, rand.New(rand.NewPCG(24, 25)))
			if err != nil {
				return err
			}
			plan, err := e.Plan(b.Samples, engine.Capacity{})
			if err != nil {
				return err
			}
			got, err := compute(e, plan, b, engine.Pass{})
			if err != nil {
				return err
			}
			if n == 0 {
				first = got
			}
			if err := sameResults(got, first); err != nil {
				return fmt.Errorf("%s: %d cores against 1: %w", cell, cores, err)
			}
		}
	}
	return nil
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
	b, plan, err := planned(e, []grid.Shape{{3, 2}}, data{}, rand.New(rand.NewPCG(7, 8)))
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
