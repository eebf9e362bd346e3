package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// randomSeed begins the sequence of random models. A failing check's name has
// the seed of its own model: random/seed 1017.
const randomSeed = 1000

// randomChecks are models drawn from everything that a configuration can say.
func randomChecks(short bool) []Check {
	count := 80
	if short {
		count = 10
	}
	var checks []Check
	for i := range count {
		seed := uint64(randomSeed + i)
		checks = append(checks, Check{fmt.Sprintf("random/seed %d", seed), func(s *session) error {
			rng := rand.New(rand.NewPCG(seed, 3))
			for {
				c := randomCase(seed, rng)
				err := c.check(s)
				if errors.Is(err, errCondition) {
					continue
				}
				if err != nil {
					text, _ := c.config.JSON() // a config that cannot be written is in err already
					err = fmt.Errorf("seed %d, samples %v, %+v, %s: %w", seed, c.shapes, c.data, text, err)
				}
				return err
			}
		}})
	}
	return checks
}

// sampler draws one case.
type sampler struct {
	*rand.Rand
	axes   int
	viewed bool
}

func randomCase(seed uint64, rng *rand.Rand) testCase {
	s := &sampler{Rand: rng}
	gridAxes := 1 + s.IntN(4)
	s.axes = gridAxes
	c := nn.Config{Input: 1 + s.IntN(6)}
	if s.IntN(5) == 0 {
		c.View, s.axes, s.viewed = pick(s, nn.ViewRows, nn.ViewSnake), 1, true
	}
	for range 1 + s.IntN(3) {
		c.Layers = append(c.Layers, s.layer())
	}
	t := testCase{
		seed: seed,
		data: data{relevant: s.IntN(2) == 0, nanTargets: s.IntN(3) == 0, ignored: s.IntN(2) == 0, first: s.Int64N(1 << 40)},
		pass: engine.Pass{Seed: s.Uint64(), Step: s.Int64N(1 << 40)},
	}
	if s.IntN(3) == 0 {
		t.pass.Normaliser = 1 + 100*s.Float64()
	}
	s.loss(&c)
	t.data.ignored = t.data.ignored && c.IgnoreIndex != nil
	t.data.relevant, t.data.nanTargets = t.data.relevant && c.Loss == nn.MSE, t.data.nanTargets && c.Loss == nn.MSE
	longest := []int{0, 20, 8, 5, 3}[gridAxes]
	for range 1 + s.IntN(9) {
		shape := make(grid.Shape, gridAxes)
		for d := range shape {
			shape[d] = 1 + s.IntN(longest)
		}
		t.shapes = append(t.shapes, shape)
	}
	t.config = c
	return t
}

func pick[T any](s *sampler, of ...T) T { return of[s.IntN(len(of))] }

func (s *sampler) layer() nn.Layer {
	kind := s.IntN(6)
	switch {
	case kind == 0 && s.axes > 1:
		s.axes--
		return nn.Layer{Type: nn.TypeSum, Axis: ptr(s.IntN(s.axes + 1))}
	case kind == 1:
		l := nn.Layer{Type: nn.TypeDense, Units: 1 + s.IntN(9), Activation: pick(s, nn.Tanh, nn.Sigmoid, nn.Linear), Window: s.window()}
		if s.IntN(2) == 0 {
			l.Bias = ptr(s.IntN(2) == 0)
		}
		return l
	}
	l := nn.Layer{
		Type: nn.TypeMDLSTM, Cell: pick(s, nn.Cells...), Hidden: 2 + s.IntN(20), Window: s.window(),
		Combine: pick(s, "", nn.CombineConcat, nn.CombineSum, nn.CombineMean),
	}
	all := corners(s.axes)
	s.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	l.Directions = all[:1+s.IntN(min(4, len(all)))]
	if s.IntN(3) == 0 {
		l.ForgetBias = s.Float64() - 0.3
	}
	if s.IntN(4) == 0 {
		l.Dropout = 0.5 * s.Float64()
	}
	if s.IntN(4) == 0 {
		l.ClipError = ptr(pick(s, 0, 0.01, 1))
	}
	return l
}

func (s *sampler) window() []int {
	if s.viewed || s.IntN(3) > 0 {
		return nil
	}
	w := make([]int, s.axes)
	for d := range w {
		w[d] = 1 + s.IntN(3)
	}
	return w
}

func (s *sampler) loss(c *nn.Config) {
	units := 1 + s.IntN(6)
	switch s.IntN(3) {
	case 0:
		c.Head, c.Loss = nn.Head{Units: units, Activation: nn.Sigmoid}, nn.BinaryCrossEntropy
	case 1:
		c.Head, c.Loss = nn.Head{Units: units + 1, Activation: nn.Softmax}, nn.CrossEntropy
		if s.IntN(2) == 0 {
			c.IgnoreIndex = ptr(pick(s, -100, 0, 255))
		}
		if s.IntN(2) == 0 {
			for range c.Head.Units {
				c.ClassWeights = append(c.ClassWeights, 0.1+s.Float64())
			}
		}
	default:
		c.Head, c.Loss = nn.Head{Units: units, Activation: pick(s, nn.Sigmoid, nn.Tanh, nn.Linear)}, nn.MSE
	}
}
