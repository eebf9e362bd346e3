package nn

import (
	"math"
	"math/rand/v2"
	"strings"
)

// Init returns initial parameters, flat, in the order of Params, as a pure
// function of seed. Weights are Glorot uniform, ±√(6/(inputs+outputs)): for an
// mdlstm layer per direction over the joint matrix [In + D·H, G·H] of weight_ih
// and weight_hh, for a dense layer and the head over their own. Weights of
// norms are 1; biases and peepholes are 0.
//
// Tensor number n of Params draws from its own PCG stream, which is seeded with
// mix(seed) and mix(mix(seed) + n), mix being the splitmix64 finaliser. A layer
// keeps its numbers when layers behind it change.
func (m *Model) Init(seed uint64) []float32 {
	flat := make([]float32, m.Size())
	for n, p := range m.Params {
		s := m.Stages[p.Stage]
		values := flat[p.Offset : p.Offset+p.Size()]
		switch strings.TrimPrefix(p.Name, s.Name+".") {
		case "weight_ih", "weight_hh":
			glorot(values, seed, n, s.In+s.Axes*s.Hidden, s.Gates*s.Hidden)
		case "weight":
			glorot(values, seed, n, s.In, s.Out)
		case "ln_gate.weight", "ln_cell.weight":
			for i := range values {
				values[i] = 1
			}
		}
	}
	return flat
}

// glorot fills values for a matrix of inputs × outputs (Glorot and Bengio 2010,
// equation 16).
func glorot(values []float32, seed uint64, tensor, inputs, outputs int) {
	limit := math.Sqrt(6 / (float64(inputs) + float64(outputs)))
	key := mix64(seed)
	random := rand.New(rand.NewPCG(key, mix64(key+uint64(tensor))))
	for i := range values {
		values[i] = float32(limit * (2*random.Float64() - 1))
	}
}

// mix64 is the splitmix64 generator's step and output function: a bijection
// under which close inputs have unrelated outputs (Steele, Lea and Flood 2014;
// constants by Vigna).
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
