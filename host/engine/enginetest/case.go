package enginetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// The tolerances of the suite. gradientFloor is the share of the model's largest
// gradient below which a tensor's own largest no longer counts: a tensor whose
// true gradient is zero (a norm's input with one hidden unit) has only rounding.
const (
	outputTolerance   = 2e-5
	gradientTolerance = 2e-5
	gradientFloor     = 0.02
	lossTolerance     = 1e-6 // of the mean loss, and as much again absolutely
)

// testCase is one model with a batch.
type testCase struct {
	name   string
	config nn.Config
	shapes []grid.Shape
	data   data
	pass   engine.Pass
	seed   uint64
}

// expected is what host/ref says about a batch.
type expected struct {
	train     ref.Result // of Gradients: with dropout
	predict   ref.Result // without
	gradients []float64  // flat
}

// expect computes a batch in float64.
func expect(m *nn.Model, p []float64, b *engine.Batch, pass engine.Pass) (expected, error) {
	rb, err := toRef(m, b)
	if err != nil {
		return expected{}, err
	}
	params := byName(m, p)
	train, grads, err := ref.Gradients(m.Config, params, rb, ref.Options{
		Normaliser: pass.Normaliser, ClipErrors: true, Train: true, Seed: pass.Seed, Step: pass.Step,
	})
	if err != nil {
		return expected{}, err
	}
	e := expected{train: train, predict: train, gradients: flat(m, grads)}
	for _, l := range m.Config.Layers {
		if l.Dropout > 0 {
			e.predict, err = ref.Forward(m.Config, params, rb, ref.Options{})
		}
	}
	return e, err
}

// results are what an engine says about a batch.
type results struct {
	weight         float64
	loss           engine.Loss // of Gradients
	predicted      engine.Loss // of Predict
	outputs, arena []float32
}

// planned draws a batch and a plan for it.
func planned(e engine.Engine, shapes []grid.Shape, d data, rng *rand.Rand) (*engine.Batch, engine.Plan, error) {
	b, err := makeBatch(e.Model(), shapes, d, rng)
	if err != nil {
		return nil, nil, err
	}
	plan, err := e.Plan(b.Samples, engine.Capacity{})
	return b, plan, err
}

// compute loads a batch and runs both passes; the arena must be clear.
func compute(e engine.Engine, plan engine.Plan, b *engine.Batch, pass engine.Pass) (results, error) {
	var r results
	var err error
	r.weight, err = plan.Load(b)
	if err != nil {
		return r, fmt.Errorf("load: %w", err)
	}
	r.loss, err = plan.Gradients(pass)
	if err != nil {
		return r, fmt.Errorf("gradients: %w", err)
	}
	count := 0
	for _, shape := range b.Samples {
		out, err := e.Model().OutputShape(shape)
		if err != nil {
			return r, err
		}
		count += cells(out)
	}
	r.outputs, r.arena = nans(count*e.Model().Units()), nans(e.Model().Size())
	r.predicted, err = plan.Predict(r.outputs)
	if err != nil {
		return r, fmt.Errorf("predict: %w", err)
	}
	return r, e.Gradients(r.arena)
}

// check compares one case with host/ref, then asks for the same bits again:
// from the same plan, and from a plan with more room.
func (c testCase) check(s *session) error {
	m, err := nn.New(c.config)
	if err != nil {
		return err
	}
	d, err := c.draw(m)
	if err != nil {
		return err
	}
	b := d.batch
	e, _, err := s.engine(c.config, d.seed)
	if err != nil {
		return err
	}
	before := copyOf(b)
	plan, err := e.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	got, err := compute(e, plan, b, c.pass)
	if err != nil {
		return err
	}
	if err := s.match(m, got, d.want); err != nil {
		return err
	}
	if err := unchanged(b, before); err != nil {
		return err
	}
	return c.repeat(s, e, plan, d, got)
}

// match compares an engine's results with host/ref's.
func (s *session) match(m *nn.Model, got results, want expected) error {
	return errors.Join(
		s.matchLoss("gradients", got.loss, want.train),
		s.matchLoss("predict", got.predicted, want.predict),
		s.compareNumber("weight", "weight of load", got.weight, want.train.Weight, approx.Tolerance{Rel: 1e-9}),
		s.matchOutputs(got.outputs, want.predict),
		s.matchGradients(m, got.arena, want.gradients),
	)
}

func (s *session) matchLoss(pass string, got engine.Loss, want ref.Result) error {
	// Sums are compared as means: the tolerance is one of the mean.
	mean := func(what string, got, want, count float64) error {
		count = max(count, 1)
		return s.compareNumber(what, "mean "+what+" of "+pass, got/count, want/count,
			approx.Tolerance{Abs: lossTolerance, Rel: lossTolerance})
	}
	return errors.Join(
		s.compareNumber("weight", "weight of "+pass, got.Weight, want.Weight, approx.Tolerance{Rel: 1e-9}),
		s.compareNumber("weight", "relevant cells of "+pass, got.RelevantCount, want.RelevantCount, approx.Tolerance{}),
		mean("loss", got.Sum, want.LossSum, want.Weight),
		mean("relevant loss", got.Relevant, want.Relevant, want.RelevantCount),
	)
}

func (s *session) matchOutputs(got []float32, want ref.Result) error {
	all := slices.Concat(want.Outputs...)
	tol := approx.OfLargest(all, outputTolerance, 1)
	var errs []error
	if len(got) != len(all) {
		return fmt.Errorf("outputs: %d values, want %d", len(got), len(all))
	}
	for n, of := range want.Outputs {
		shape := append(slices.Clone(want.OutShapes[n]), len(of)/cells(want.OutShapes[n]))
		errs = append(errs, s.compare("output", fmt.Sprintf("output of sample %d", n), shape, got[:len(of)], of, tol))
		got = got[len(of):]
	}
	return errors.Join(errs...)
}

func (s *session) matchGradients(m *nn.Model, got []float32, want []float64) error {
	floor := max(gradientFloor*approx.Largest(want), 1e-9)
	var errs []error
	for _, t := range m.Params {
		from, to := t.Offset, t.Offset+t.Size()
		tol := approx.OfLargest(want[from:to], gradientTolerance, floor)
		errs = append(errs, s.compare("gradient", "gradient of "+t.Name, t.Shape, got[from:to], want[from:to], tol))
	}
	return errors.Join(errs...)
}

// unchanged says that an engine wrote into its inputs.
func unchanged(got, want *engine.Batch) error {
	err := errors.Join(approx.SameBits("x", got.X, want.X), approx.SameBits("y", got.Y, want.Y))
	if !slices.Equal(got.Class, want.Class) || !slices.Equal(got.Relevant, want.Relevant) {
		err = errors.Join(err, errors.New("class or relevant changed"))
	}
	for n := range want.Samples {
		if !slices.Equal(got.Samples[n], want.Samples[n]) {
			err = errors.Join(err, fmt.Errorf("sample %d: shape %v, want %v", n, got.Samples[n], want.Samples[n]))
		}
	}
	if err != nil {
		return fmt.Errorf("inputs changed: %w", err)
	}
	return nil
}

// repeat asks for the bits of an earlier call: from the same plan, from one with
// twice the room, and from the first again.
func (c testCase) repeat(s *session, e engine.Engine, plan engine.Plan, d numbers, first results) error {
	b := d.batch
	again := func(what string, plan engine.Plan) error {
		if err := e.ZeroGradients(); err != nil {
			return fmt.Errorf("zero gradients: %w", err)
		}
		got, err := compute(e, plan, b, c.pass)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if err := sameResults(got, first); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	if err := again("same plan again", plan); err != nil {
		return err
	}
	rows, longest := 0, 0
	for _, shape := range b.Samples {
		rows += cells(shape)
		longest = max(longest, cells(shape))
	}
	// A second engine, so that the first's plan cannot be taken again. Room for
	// the wavefronts of any view: one sequence of all cells has as many as cells.
	other, _, err := s.engine(c.config, d.seed)
	if err != nil {
		return err
	}
	large, err := other.Plan(b.Samples, engine.Capacity{Rows: 2*rows + 3, Wavefronts: longest + 5, Samples: rows + 7})
	if err != nil {
		return fmt.Errorf("plan with twice the room: %w", err)
	}
	got, err := compute(other, large, b, c.pass)
	if err != nil {
		return fmt.Errorf("plan with twice the room: %w", err)
	}
	if err := sameResults(got, first); err != nil {
		return fmt.Errorf("plan with twice the room: %w", err)
	}
	if err := s.predicts(c.config, d, first); err != nil {
		return err
	}
	return again("first plan again", plan)
}

// predicts asks an engine of its own, so that no other plan can be taken, for a
// plan that only predicts: the bits of the ordinary plan's outputs and losses,
// every time.
func (s *session) predicts(c nn.Config, d numbers, want results) error {
	e, _, err := s.engine(c, d.seed)
	if err != nil {
		return err
	}
	plan, err := e.Plan(d.batch.Samples, engine.Capacity{Predict: true})
	if err != nil {
		return fmt.Errorf("plan to predict: %w", err)
	}
	for _, what := range []string{"plan to predict", "plan to predict, again"} {
		weight, err := plan.Load(d.batch)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		for range 2 { // a batch that is loaded stays
			outputs := nans(len(want.outputs))
			loss, err := plan.Predict(outputs)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			if err := approx.SameBits("outputs", outputs, want.outputs); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			if weight != want.weight || loss != want.predicted {
				return fmt.Errorf("%s: weight %v, loss %+v, want %v, %+v", what, weight, loss, want.weight, want.predicted)
			}
		}
	}
	return nil
}

// sameResults asks for equal bits.
func sameResults(got, want results) error {
	err := errors.Join(
		approx.SameBits("outputs", got.outputs, want.outputs),
		approx.SameBits("gradients", got.arena, want.arena),
	)
	list := func(r results) []float64 {
		return []float64{r.weight, r.loss.Sum, r.loss.Weight, r.loss.Relevant, r.loss.RelevantCount, r.predicted.Sum, r.predicted.Relevant}
	}
	g, w := list(got), list(want)
	for i := range g {
		if math.Float64bits(g[i]) != math.Float64bits(w[i]) {
			err = errors.Join(err, fmt.Errorf("losses: got %v, want the bits of %v", g, w))
			break
		}
	}
	return err
}
