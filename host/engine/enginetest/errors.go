package enginetest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

func sortChecks(checks []Check) {
	slices.SortFunc(checks, func(a, b Check) int { return strings.Compare(a.Name, b.Name) })
}

// wrapsShape asks for an error that wraps engine.ErrShape.
func wrapsShape(what string, err error) error {
	if !errors.Is(err, engine.ErrShape) {
		return fmt.Errorf("%s: got error %v, want one that wraps ErrShape", what, err)
	}
	return nil
}

// badLoad is a batch that Load must refuse: which sentinel, and what the text
// must contain (the numbers at fault).
type badLoad struct {
	name  string
	loss  string // "" is mse
	edit  func(b *engine.Batch)
	want  error
	texts []string
}

// badLoads are changes of a batch of samples 2x3 and 1x2 (8 cells) with 2
// channels, 3 units.
func badLoads() []badLoad {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	return []badLoad{
		{"x too short", "", func(b *engine.Batch) { b.X = b.X[:15] }, engine.ErrShape, []string{"15", "16"}},
		{"x too long", "", func(b *engine.Batch) { b.X = append(b.X, 0) }, engine.ErrShape, []string{"17", "16"}},
		{"y too short", "", func(b *engine.Batch) { b.Y = b.Y[:23] }, engine.ErrShape, []string{"23", "24"}},
		{"y too long", "", func(b *engine.Batch) { b.Y = append(b.Y, 0) }, engine.ErrShape, []string{"25", "24"}},
		{"class too short", nn.CrossEntropy, func(b *engine.Batch) { b.Class = b.Class[:7] }, engine.ErrShape, []string{"7", "8"}},
		{"class of the number of units", nn.CrossEntropy, func(b *engine.Batch) { b.Class[6] = 3 }, engine.ErrData, []string{"3"}},
		{"negative class", nn.CrossEntropy, func(b *engine.Batch) { b.Class[0] = -1 }, engine.ErrData, []string{"-1"}},
		{"NaN in x", "", func(b *engine.Batch) { b.X[15] = nan }, engine.ErrData, []string{"NaN"}},
		{"infinity in x", "", func(b *engine.Batch) { b.X[0] = inf }, engine.ErrData, []string{"Inf"}},
		{"negative infinity in x", "", func(b *engine.Batch) { b.X[9] = -inf }, engine.ErrData, []string{"Inf"}},
		{"NaN target for binary_cross_entropy", nn.BinaryCrossEntropy, func(b *engine.Batch) { b.Y[2] = nan }, engine.ErrData, []string{"NaN"}},
		{"sample of other axes", "", func(b *engine.Batch) { b.Samples[1] = grid.Shape{2} }, engine.ErrShape, nil},
		{"sample without cells", "", func(b *engine.Batch) { b.Samples[1] = grid.Shape{0, 2} }, engine.ErrShape, nil},
		{"relevant cell outside", "", func(b *engine.Batch) { b.Relevant = []int32{8} }, engine.ErrShape, []string{"8"}},
		{"negative relevant cell", "", func(b *engine.Batch) { b.Relevant = []int32{-2} }, engine.ErrShape, []string{"-2"}},
		{"more samples than the plan's", "", func(b *engine.Batch) {
			for range 9 {
				b.Samples = append(b.Samples, grid.Shape{1, 1})
				b.X, b.Y = append(b.X, 0, 0), append(b.Y, 0, 0, 0)
			}
		}, engine.ErrShape, []string{"11"}},
		{"more rows than the plan's", "", func(b *engine.Batch) {
			b.Samples = []grid.Shape{{40, 40}, {1, 2}}
			b.X, b.Y = make([]float32, 2*1602), make([]float32, 3*1602)
		}, engine.ErrShape, []string{"1602"}},
		{"more wavefronts than the plan's", "", func(b *engine.Batch) {
			b.Samples = []grid.Shape{{1, 6}, {1, 2}} // 8 rows as before, 6 wavefronts against 4
		}, engine.ErrShape, []string{"6"}},
	}
}

func errorChecks() []Check {
	var checks []Check
	for _, bad := range badLoads() {
		checks = append(checks, Check{"load/" + bad.name, func(s *session) error { return refused(s, bad) }})
	}
	return append(checks,
		Check{"plan/samples of other axes", func(s *session) error { return planRefused(s, grid.Shape{3}) }},
		Check{"plan/a sample without cells", func(s *session) error { return planRefused(s, grid.Shape{3, 0}) }},
		Check{"plan/a negative size", func(s *session) error { return planRefused(s, grid.Shape{-3, 2}) }},
		Check{"plan/more cells than can be counted", func(s *session) error { return planRefused(s, grid.Shape{1 << 40, 1 << 40}) }},
		Check{"load/ignored class outside the model's", ignoredClass},
	)
}

// refused loads a good batch, asks for the error, and shows that the plan then
// takes the good batch again, to the same bits.
func refused(s *session, bad badLoad) error {
	c := model(nn.CellPlain, 2, 4, "++")
	c.Head.Units = 3
	switch bad.loss {
	case nn.CrossEntropy:
		c.Loss, c.Head.Activation = nn.CrossEntropy, nn.Softmax
	case nn.BinaryCrossEntropy:
		c.Loss = nn.BinaryCrossEntropy
	}
	e, _, err := s.engine(c, 20)
	if err != nil {
		return err
	}
	good, err := makeBatch(e.Model(), []grid.Shape{{2, 3}, {1, 2}}, data{}, rand.New(rand.NewPCG(20, 21)))
	if err != nil {
		return err
	}
	plan, err := e.Plan(good.Samples, engine.Capacity{})
	if err != nil {
		return err
	}
	want, err := compute(e, plan, good, engine.Pass{})
	if err != nil {
		return err
	}
	b := copyOf(good)
	bad.edit(b)
	if _, err = plan.Load(b); !errors.Is(err, bad.want) {
		return fmt.Errorf("got error %v, want one that wraps %q", err, bad.want)
	}
	for _, text := range bad.texts {
		if !strings.Contains(err.Error(), text) {
			return fmt.Errorf("error %q: want %q in it", err, text)
		}
	}
	if err := e.ZeroGradients(); err != nil {
		return err
	}
	got, err := compute(e, plan, good, engine.Pass{})
	if err != nil {
		return fmt.Errorf("the good batch after the bad one: %w", err)
	}
	return sameResults(got, want)
}

func planRefused(s *session, bad grid.Shape) error {
	e, _, err := s.engine(small(), 21)
	if err != nil {
		return err
	}
	_, err = e.Plan([]grid.Shape{{2, 2}, bad}, engine.Capacity{})
	if !errors.Is(err, engine.ErrShape) && !errors.Is(err, engine.ErrMemory) {
		return fmt.Errorf("got error %v, want one that wraps ErrShape or ErrMemory", err)
	}
	return nil
}

// ignoredClass: ignore_index may lie outside the classes.
func ignoredClass(s *session) error {
	c := model(nn.CellPlain, 2, 4, "++")
	c.Loss, c.Head, c.IgnoreIndex = nn.CrossEntropy, nn.Head{Units: 3, Activation: nn.Softmax}, ptr(255)
	e, _, err := s.engine(c, 22)
	if err != nil {
		return err
	}
	b, err := makeBatch(e.Model(), []grid.Shape{{2, 2}}, data{}, rand.New(rand.NewPCG(22, 23)))
	if err != nil {
		return err
	}
	b.Class[1], b.Class[2] = 255, 255
	plan, err := e.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		return err
	}
	weight, err := plan.Load(b)
	if err != nil {
		return err
	}
	return s.compareNumber("weight", "weight", weight, 2, approx.Tolerance{})
}
