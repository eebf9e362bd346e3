package cpu

import (
	"math"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
)

// lossStage compares the head's outputs with the targets and leaves
// ∂loss/∂(head's pre-activation) behind; it also turns logits into outputs.
type lossStage struct {
	stack      *stack
	name       string // "mse", "cross_entropy", "binary_cross_entropy"
	activation string // of the head
	units      int
	weights    []float64 // of classes; nil = all 1
	in         *field    // the head's
	sched      *grid.Schedule
	part       *part // whose targets it compares with

	scale    float32 // 1/normaliser
	gradient bool
	sums     []float64 // [chunks]
	rowJob   func(task, worker int)
	logits   [][]float64 // [workers][units]
}

func newLossStage(k *stack, in *field) *lossStage {
	c := &k.e.model.Config
	s := &lossStage{stack: k, name: c.Loss, activation: c.Head.Activation, units: c.Head.Units, weights: c.ClassWeights, in: in}
	s.logits = make([][]float64, k.pool.workers)
	for w := range s.logits {
		s.logits[w] = make([]float64, s.units)
	}
	s.rowJob = s.chunk
	return s
}

func (s *lossStage) bind(in *grid.Schedule, p *part) {
	s.sched, s.part = in, p
	s.sums = grow(s.sums, chunks(in.Rows))
}

// run measures the loss of the outputs computed last. With gradient it writes
// the head's gradient, of the loss sum times scale.
func (s *lossStage) run(gradient bool, scale float64) engine.Loss {
	s.gradient, s.scale = gradient, float32(scale)
	s.stack.pool.run(len(s.sums), s.rowJob)
	loss := engine.Loss{Weight: s.part.weight, RelevantCount: float64(len(s.part.given.Relevant))}
	for _, sum := range s.sums {
		loss.Sum += sum
	}
	for _, r := range s.part.given.Relevant {
		loss.Relevant += s.squaredError(int(r))
	}
	return loss
}

func (s *lossStage) chunk(task, worker int) {
	from, to := chunk(task, s.sched.Rows)
	switch s.name {
	case "cross_entropy":
		s.sums[task] = s.crossEntropy(from, to, s.logits[worker])
	case "binary_cross_entropy":
		s.sums[task] = s.binaryCrossEntropy(from, to)
	default:
		s.sums[task] = s.meanSquares(from, to)
	}
}

func (s *lossStage) meanSquares(from, to int) (sum float64) {
	if !s.part.targets {
		return 0
	}
	out, y := s.in.data[from*s.units:to*s.units], s.part.given.Y[from*s.units:to*s.units]
	for i, v := range out {
		if e := v - y[i]; y[i] == y[i] { // a NaN target does not count
			sum += float64(e) * float64(e)
		}
	}
	if !s.gradient {
		return sum
	}
	grad := s.in.grad[from*s.units : to*s.units]
	for i, v := range out {
		grad[i] = 2 * (v - y[i]) * s.scale
		if y[i] != y[i] {
			grad[i] = 0
		}
	}
	differentiate(s.activation, grad, out)
	return sum
}

// squaredError is the mean over units of a row's squared error.
func (s *lossStage) squaredError(row int) (sum float64) {
	n := 0
	for u := row * s.units; u < (row+1)*s.units; u++ {
		if e := float64(s.in.data[u]) - float64(s.part.given.Y[u]); s.part.given.Y[u] == s.part.given.Y[u] {
			sum += e * e
			n++
		}
	}
	return sum / float64(max(1, n))
}

func (s *lossStage) classWeight(class int32) float64 {
	if class < 0 { // ignore_index
		return 0
	}
	if s.weights == nil {
		return 1
	}
	return s.weights[class]
}

// crossEntropy goes through log-softmax in float64: sums of exponentials span
// more than float32 holds.
func (s *lossStage) crossEntropy(from, to int, p []float64) (sum float64) {
	for r := from; r < to; r++ {
		out := s.in.data[r*s.units : (r+1)*s.units]
		largest := math.Inf(-1)
		for u, v := range out {
			p[u] = float64(v)
			largest = math.Max(largest, p[u]) // NaN wins
		}
		var total float64
		for u, z := range p {
			p[u] = math.Exp(z - largest)
			total += p[u]
		}
		logit := out
		if s.part.targets {
			if weight := s.classWeight(s.part.given.Class[r]); weight > 0 {
				sum -= weight * (float64(logit[s.part.given.Class[r]]) - largest - math.Log(total))
			}
		}
		for u := range p {
			p[u] /= total
			out[u] = float32(p[u])
		}
		if s.gradient {
			s.softmaxGradient(r, p)
		}
	}
	return sum
}

func (s *lossStage) softmaxGradient(r int, p []float64) {
	grad := s.in.grad[r*s.units : (r+1)*s.units]
	weight := s.classWeight(s.part.given.Class[r]) * float64(s.scale)
	if weight == 0 {
		clear(grad)
		return
	}
	for u, v := range p {
		grad[u] = float32(weight * v)
	}
	grad[s.part.given.Class[r]] = float32(weight * (p[s.part.given.Class[r]] - 1))
}

func (s *lossStage) binaryCrossEntropy(from, to int) (sum float64) {
	out := s.in.data[from*s.units : to*s.units]
	var grad, y []float32
	if s.part.targets {
		y = s.part.given.Y[from*s.units : to*s.units]
	}
	if s.gradient {
		grad = s.in.grad[from*s.units : to*s.units]
	}
	for i, v := range out {
		z := float64(v)
		// exp of a negative number cannot overflow
		small := math.Exp(-math.Abs(z))
		p := 1 / (1 + small)
		if z < 0 {
			p = small / (1 + small)
		}
		out[i] = float32(p)
		if s.part.targets {
			t := float64(y[i])
			sum += math.Max(z, 0) - z*t + math.Log1p(small)
			if s.gradient {
				grad[i] = float32((p - t) * float64(s.scale))
			}
		}
	}
	return sum
}
