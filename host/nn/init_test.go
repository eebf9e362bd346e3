package nn

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestInit checks every tensor of every cell: its limit, that it is filled up
// to it, its mean and variance, or its constant.
func TestInit(t *testing.T) {
	for _, cell := range Cells {
		t.Run(cell, func(t *testing.T) {
			l := mdlstm(cell, 20)
			l.Directions = []string{"++", "--", "+-"}
			l.Window = []int{2, 2}
			m := newModel(t, Config{
				Input:  7,
				Layers: []Layer{l, {Type: TypeDense, Units: 40, Activation: Tanh}},
				Head:   Head{Units: 30, Activation: Linear}, Loss: MSE,
			})
			flat := m.Init(7)
			if len(flat) != m.Size() {
				t.Fatalf("got %d values, want %d", len(flat), m.Size())
			}
			joint := math.Sqrt(6.0 / (7*4 + 2*20 + 5*20))
			uniform := map[string]float64{
				"layers.0.weight_ih": joint, "layers.0.weight_hh": joint,
				"layers.1.weight": math.Sqrt(6.0 / (60 + 40)), "head.weight": math.Sqrt(6.0 / (40 + 30)),
			}
			for _, p := range m.Params {
				values := flat[p.Offset : p.Offset+p.Size()]
				var err error
				if limit, ok := uniform[p.Name]; ok {
					err = checkUniform(values, limit)
				} else {
					want := float32(0)
					if strings.HasSuffix(p.Name, "ln_gate.weight") || strings.HasSuffix(p.Name, "ln_cell.weight") {
						want = 1
					}
					err = checkConstant(values, want)
				}
				if err != nil {
					t.Errorf("%s: %v", p.Name, err)
				}
			}
		})
	}
}

// checkUniform compares with the uniform distribution on ±limit: no value
// beyond it, some near it, and mean and variance within 5 standard errors.
func checkUniform(values []float32, limit float64) error {
	n := float64(len(values))
	var largest, sum, squares float64
	for _, v := range values {
		x := float64(v)
		largest = max(largest, math.Abs(x))
		sum += x
		squares += x * x
	}
	if largest > float64(float32(limit)) || largest < limit*(1-20/n) {
		return fmt.Errorf("largest %v, want up to %v", largest, limit)
	}
	variance := limit * limit / 3
	if mean := sum / n; math.Abs(mean) > 5*math.Sqrt(variance/n) {
		return fmt.Errorf("mean %v of %v values on ±%v", mean, n, limit)
	}
	if got := squares / n; math.Abs(got-variance) > 5*limit*limit*math.Sqrt(4.0/45/n) {
		return fmt.Errorf("variance %v, want %v", got, variance)
	}
	return nil
}

func checkConstant(values []float32, want float32) error {
	for i, v := range values {
		if v != want {
			return fmt.Errorf("value %d: got %v, want %v", i, v, want)
		}
	}
	return nil
}

// TestCheckUniform feeds the checker what it must refuse.
func TestCheckUniform(t *testing.T) {
	c := small(CellPlain)
	c.Head.Units = 500
	m := newModel(t, c)
	p, _ := m.Param("head.weight")
	good := m.Init(1)[p.Offset : p.Offset+p.Size()]
	limit := math.Sqrt(6.0 / 508)
	if err := checkUniform(good, limit); err != nil {
		t.Fatal(err)
	}
	shifted, narrow, peaked := slices.Clone(good), slices.Clone(good), slices.Clone(good)
	for i := range good {
		shifted[i] = float32(min(float64(good[i])+limit/8, limit))
		narrow[i] *= 0.97
		if i%10 != 0 {
			peaked[i] *= 0.9
		}
	}
	for name, values := range map[string][]float32{"shifted": shifted, "narrow": narrow, "peaked": peaked} {
		if err := checkUniform(values, limit); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if err := checkUniform(good, limit*0.99); err == nil {
		t.Error("smaller limit: got no error")
	}
}

func TestInitIsAFunctionOfSeed(t *testing.T) {
	m := newModel(t, good())
	if !slices.Equal(m.Init(5), m.Init(5)) {
		t.Error("one seed gave two results")
	}
	// seeds that a weak mix would take for one
	seen := map[float32]uint64{}
	for _, seed := range []uint64{0, 1, 2, 1 << 32, 1 << 63, math.MaxUint64} {
		first := m.Init(seed)[0]
		if other, ok := seen[first]; ok {
			t.Errorf("seeds %d and %d begin alike", seed, other)
		}
		seen[first] = seed
	}
}

// TestInitStreams: a layer behind does not change the numbers before it, and no
// two tensors draw the same numbers.
func TestInitStreams(t *testing.T) {
	short, long := small(CellPlain), small(CellPlain)
	long.Layers = append(long.Layers, mdlstm(CellPlain, 4))
	a, b := newModel(t, short), newModel(t, long)
	head, _ := a.Param("head.weight")
	n := head.Offset
	flat := b.Init(3)
	if !slices.Equal(a.Init(3)[:n], flat[:n]) {
		t.Error("layer 0 changed with layer 1")
	}
	first := map[float32]string{}
	for _, p := range b.Params {
		// limits differ from tensor to tensor: compare the share of the limit
		s := b.Stages[p.Stage]
		var limit float64
		switch strings.TrimPrefix(p.Name, s.Name+".") {
		case "weight_ih", "weight_hh":
			limit = math.Sqrt(6 / float64(s.In+s.Axes*s.Hidden+s.Gates*s.Hidden))
		case "weight":
			limit = math.Sqrt(6 / float64(s.In+s.Out))
		default:
			continue
		}
		u := float32(math.Round(float64(flat[p.Offset])/limit*1e5) / 1e5)
		if other, ok := first[u]; ok {
			t.Errorf("%s and %s begin alike", p.Name, other)
		}
		first[u] = p.Name
	}
}

// TestInitGolden pins the bits: a change here changes every seeded run. The
// values come from the documentation of Init, PCG and splitmix64 written out in
// Python, in whole numbers.
func TestInitGolden(t *testing.T) {
	m := newModel(t, small(CellPlain))
	flat := m.Init(42)
	head, _ := m.Param("head.weight")
	got := []float32{flat[0], flat[1], flat[120], flat[head.Offset]}
	want := []float32{-0.0643613, 0.35986212, -0.12422823, -0.6272273}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestMix64 compares with the first outputs of splitmix64 seeded with
// 1234567 (published with the reference code by Vigna).
func TestMix64(t *testing.T) {
	const golden = 0x9e3779b97f4a7c15
	state := uint64(1234567)
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if got := mix64(state); got != want {
			t.Errorf("output %d: got %d, want %d", i, got, want)
		}
		state += golden
	}
}
