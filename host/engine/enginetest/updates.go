package enginetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// updateChecks: optimizers against host/ref, and what a bad gradient may not do.
func updateChecks() []Check {
	var checks []Check
	for name, u := range map[string]engine.Update{
		"adam":                   {Optimizer: engine.Adam, LR: 0.01},
		"adam/clip acts":         {Optimizer: engine.Adam, LR: 0.01, Clip: 0.5},
		"sgd":                    {Optimizer: engine.SGD, LR: 0.05},
		"sgd/momentum":           {Optimizer: engine.SGD, LR: 0.05, Momentum: 0.9},
		"sgd/clip acts":          {Optimizer: engine.SGD, LR: 0.05, Momentum: 0.9, Clip: 0.5},
		"sgd/clip does not act":  {Optimizer: engine.SGD, LR: 0.05, Momentum: 0.9, Clip: 1e6},
		"sgd/scale":              {Optimizer: engine.SGD, LR: 0.05, Momentum: 0.5, Scale: 0.25},
		"sgd/scale before clip":  {Optimizer: engine.SGD, LR: 0.05, Scale: 4, Clip: 2},
		"sgd/learning rate of 0": {Optimizer: engine.SGD, LR: 0, Momentum: 0.9},
	} {
		checks = append(checks, Check{"update/" + name, func(s *session) error { return updates(s, u) }})
	}
	sortChecks(checks)
	for _, u := range []engine.Update{{Optimizer: engine.Adam, LR: 0.01}, {Optimizer: engine.SGD, LR: 0.01, Momentum: 0.9}} {
		checks = append(checks,
			Check{fmt.Sprintf("update/%s/not finite", u.Optimizer), func(s *session) error { return notFinite(s, u) }},
			Check{fmt.Sprintf("update/%s/moments continue", u.Optimizer), func(s *session) error { return momentsContinue(s, u) }},
		)
	}
	return append(checks,
		Check{"update/unknown optimizer", unknownOptimizer},
		Check{"update/moments of a wrong length", momentLengths},
		Check{"find non-finite/in the forward pass", findForward},
	)
}

// randomGradients are of unit variance, so that no update hangs on rounding.
func randomGradients(n int, rng *rand.Rand) []float32 {
	g := make([]float32, n)
	for i := range g {
		g[i] = float32(rng.NormFloat64())
	}
	return g
}

// updates: several steps with one rule, parameters and norms against host/ref.
func updates(s *session, u engine.Update) error {
	e, p, err := s.engine(small(), 12)
	if err != nil {
		return err
	}
	m := e.Model()
	rng := rand.New(rand.NewPCG(12, 13))
	want := byName(m, widen(p))
	opt := &ref.Optimizer{Rule: string(u.Optimizer), LR: u.LR, Momentum: u.Momentum, Clip: u.Clip, Scale: u.Scale}
	got := nans(m.Size())
	for step := range 6 {
		g := randomGradients(m.Size(), rng)
		norm, _, err := opt.Update(want, byName(m, widen(g)))
		if err != nil {
			return err
		}
		if err := e.SetGradients(g); err != nil {
			return err
		}
		r, err := e.Update(u)
		if err != nil {
			return err
		}
		if !r.Finite {
			return fmt.Errorf("step %d: not finite", step)
		}
		if err := s.compareNumber("norm", "norm", r.Norm, norm, approx.Tolerance{Rel: 1e-6}); err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
		if err := e.Gradients(got); err != nil {
			return err
		}
		if err := allZero("arena after Update", got); err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
		if err := e.Parameters(got); err != nil {
			return err
		}
		for _, t := range m.Params {
			err := s.compare("updated parameter", t.Name, t.Shape, got[t.Offset:t.Offset+t.Size()], want[t.Name],
				approx.OfLargest(want[t.Name], 5e-7, 1))
			if err != nil {
				return fmt.Errorf("step %d: %w", step, err)
			}
		}
	}
	return nil
}

// notFinite: a NaN or an infinity anywhere stops the update, changes nothing and
// can be named.
func notFinite(s *session, u engine.Update) error {
	e, _, err := s.engine(small(), 13)
	if err != nil {
		return err
	}
	m := e.Model()
	rng := rand.New(rand.NewPCG(13, 14))
	if err := e.SetGradients(randomGradients(m.Size(), rng)); err != nil {
		return err
	}
	if _, err := e.Update(u); err != nil {
		return err
	}
	before, err := stateOf(e)
	if err != nil {
		return err
	}
	b, plan, err := planned(e, []grid.Shape{{3, 2}}, data{}, rng)
	if err != nil {
		return err
	}
	r, err := compute(e, plan, b, engine.Pass{})
	if err != nil {
		return err
	}
	where, err := plan.FindNonFinite()
	if err != nil || where != "" {
		return fmt.Errorf("FindNonFinite when all is finite: %q (error %v)", where, err)
	}
	for _, t := range m.Params {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			g := append([]float32{}, r.arena...)
			g[t.Offset+t.Size()-1] = float32(bad)
			if err := e.SetGradients(g); err != nil {
				return err
			}
			result, err := e.Update(u)
			if err != nil {
				return err
			}
			if result.Finite {
				return fmt.Errorf("%v in %s: Update says finite", bad, t.Name)
			}
			after, err := stateOf(e)
			if err != nil {
				return err
			}
			if err := after.same(before); err != nil {
				return fmt.Errorf("%v in %s: %w", bad, t.Name, err)
			}
			where, err := plan.FindNonFinite()
			if err != nil || !strings.Contains(where, t.Name) {
				return fmt.Errorf("%v in %s: FindNonFinite says %q (error %v), want the tensor's name", bad, t.Name, where, err)
			}
		}
	}
	return nil
}

// state is everything that an update changes.
type state struct {
	p, m, v []float32
	updates int64
}

func stateOf(e engine.Engine) (state, error) {
	n := e.Model().Size()
	st := state{p: nans(n), m: nans(n), v: nans(n)}
	if err := e.Parameters(st.p); err != nil {
		return st, err
	}
	var err error
	st.updates, err = e.Moments(st.m, st.v)
	return st, err
}

func (st state) same(want state) error {
	err := errors.Join(
		approx.SameBits("parameters", st.p, want.p),
		approx.SameBits("m", st.m, want.m),
		approx.SameBits("v", st.v, want.v),
	)
	if st.updates != want.updates {
		err = errors.Join(err, fmt.Errorf("%d updates, want %d", st.updates, want.updates))
	}
	return err
}

// momentsContinue: parameters and moments, taken out and put into another
// engine, go on to the same bits.
func momentsContinue(s *session, u engine.Update) error {
	first, _, err := s.engine(small(), 14)
	if err != nil {
		return err
	}
	second, _, err := s.engine(small(), 15)
	if err != nil {
		return err
	}
	steps := func(e engine.Engine, seed uint64) error {
		rng := rand.New(rand.NewPCG(14, seed))
		for range 3 {
			if err := e.SetGradients(randomGradients(e.Model().Size(), rng)); err != nil {
				return err
			}
			if _, err := e.Update(u); err != nil {
				return err
			}
		}
		return nil
	}
	if err := steps(first, 1); err != nil {
		return err
	}
	middle, err := stateOf(first)
	if err != nil {
		return err
	}
	if middle.updates != 3 {
		return fmt.Errorf("%d updates, want 3", middle.updates)
	}
	if err := errors.Join(approx.Finite("m", middle.m), approx.Finite("v", middle.v)); err != nil {
		return err
	}
	if err := errors.Join(second.SetParameters(middle.p), second.SetMoments(middle.m, middle.v, middle.updates)); err != nil {
		return err
	}
	if err := errors.Join(steps(first, 2), steps(second, 2)); err != nil {
		return err
	}
	want, err := stateOf(first)
	if err != nil {
		return err
	}
	got, err := stateOf(second)
	if err != nil {
		return err
	}
	if err := mustFail("three more updates left the parameters as they were", approx.SameBits("", want.p, middle.p)); err != nil {
		return err
	}
	return got.same(want)
}

func unknownOptimizer(s *session) error {
	e, _, err := s.engine(small(), 16)
	if err != nil {
		return err
	}
	before, err := stateOf(e)
	if err != nil {
		return err
	}
	_, err = e.Update(engine.Update{Optimizer: "lion", LR: 0.1})
	if err == nil || !strings.Contains(err.Error(), "lion") {
		return fmt.Errorf("got error %v, want one that names %q", err, "lion")
	}
	after, err := stateOf(e)
	if err != nil {
		return err
	}
	return after.same(before)
}

func momentLengths(s *session) error {
	e, _, err := s.engine(small(), 17)
	if err != nil {
		return err
	}
	n := e.Model().Size()
	right, wrong := make([]float32, n), make([]float32, n+1)
	_, shortM := e.Moments(right[:n-1], right)
	_, longV := e.Moments(right, wrong)
	return errors.Join(
		wrapsShape("Moments into a short m", shortM),
		wrapsShape("Moments into a long v", longV),
		wrapsShape("SetMoments from a long m", e.SetMoments(wrong, right, 1)),
		wrapsShape("SetMoments from a short v", e.SetMoments(right, right[:n-1], 1)),
	)
}

// findForward: a NaN in one gate's weights is found in that layer and gate, in
// one cell that has no neighbours to carry it elsewhere.
func findForward(s *session) error {
	for _, cell := range nn.Cells {
		c := model(cell, 1, 8, "++")
		c.Layers = append(c.Layers, model(cell, 1, 4, "--").Layers[0])
		for layer, hidden := range []int{8, 4} {
			e, p, err := s.engine(c, 18)
			if err != nil {
				return err
			}
			t, _ := e.Model().Param(fmt.Sprintf("layers.%d.weight_ih", layer))
			const gate = 3 // f_1
			p[t.Offset+gate*hidden*(t.Size()/(5*hidden))] = float32(math.NaN())
			if err := e.SetParameters(p); err != nil {
				return err
			}
			b, err := makeBatch(e.Model(), []grid.Shape{{1, 1}}, data{}, rand.New(rand.NewPCG(18, 19)))
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
			where, err := plan.FindNonFinite()
			if want := fmt.Sprintf("layer %d gate f_1", layer); err != nil || !strings.Contains(where, want) {
				return fmt.Errorf("%s: got %q (error %v), want %q", cell, where, err, want)
			}
			r, err := e.Update(engine.Update{Optimizer: engine.SGD, LR: 1})
			if err != nil || r.Finite {
				return fmt.Errorf("%s: Update after NaN in the forward pass: %+v (error %v), want not finite", cell, r, err)
			}
		}
	}
	return nil
}
