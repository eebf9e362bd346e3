package cpu

import (
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// denseStage is a dense layer or the head: out = activation(x·Wᵀ + b).
//
// The head's gradient arrives already as ∂/∂(x·Wᵀ + b), because losses are
// differentiated together with its activation; where the loss wants logits
// (softmax, binary cross-entropy) the activation is the loss's work too.
type denseStage struct {
	e     *Engine
	stack *stack
	index int
	nn.Stage
	in, out    *field
	sched      *grid.Schedule
	activation string    // "linear" where the loss applies the head's own
	weight     []float32 // [units, K], the parameters themselves
	transposed []float32 // [K, units]
	table      table     // bias and activation
	slots      slots     // [units·K + units]
	sums       []float32 // [units·K + units] of the parts so far
	scratch    []denseScratch

	forwardJob, backwardJob, gradientJob func(task, worker int)
}

type denseScratch struct {
	products
	segments [1]segment
}

func newDenseStage(k *stack, index int, in *field, activation string) *denseStage {
	e := k.e
	st := e.model.Stages[index]
	s := &denseStage{e: e, stack: k, index: index, Stage: st, in: in, out: k.field(st.Out), activation: activation}
	s.transposed = make([]float32, st.In*st.Out)
	s.table = newTable(st.Out)
	if !k.predict {
		s.slots.size = st.Out * (st.In + 1)
	}
	s.scratch = make([]denseScratch, k.pool.workers)
	for w := range s.scratch {
		s.scratch[w].products = e.newProducts()
	}
	if in.sparing {
		in.source = s
	}
	s.forwardJob, s.backwardJob, s.gradientJob = s.forwardChunk, s.inputGradient, s.weightGradient
	return s
}

func (s *denseStage) bind(in *grid.Schedule) (*grid.Schedule, error) {
	s.sched = in
	s.out.resize(in.Rows)
	s.slots.set(1, in.Rows)
	return in, nil
}

func (s *denseStage) refresh(params []float32) {
	p, _ := s.e.model.StageParam(s.index, "weight")
	s.weight = params[p.Offset : p.Offset+p.Size()]
	for u := range s.Out {
		for i, v := range s.weight[u*s.In : (u+1)*s.In] {
			s.transposed[i*s.Out+u] = v
		}
	}
	bias, hasBias := s.e.model.StageParam(s.index, "bias")
	for u := range s.Out {
		var b float32
		if hasBias {
			b = params[bias.Offset+u]
		}
		switch s.activation {
		case "tanh":
			s.table.setTanh(u, 1, b)
		case "sigmoid":
			s.table.setSigmoid(u, 1, b)
		default:
			s.table.shift[u] = b
		}
	}
}

func (s *denseStage) forward(*pass) {
	s.out.zero()
	s.stack.pool.run(chunks(s.sched.Rows), s.forwardJob)
}

func (s *denseStage) forwardChunk(task, worker int) {
	from, to := chunk(task, s.sched.Rows)
	w, n := &s.scratch[worker], s.Out
	for ; from < to; from += tileRows {
		end := min(to, from+tileRows)
		out := s.out.data[from*n : end*n]
		w.rows(w.rowsOf(s.in, from), end-from, rowMajor(s.transposed, n), n, out)
		s.activate(out, end-from)
	}
}

// rowsOf is the segment of a field's rows from row on.
func (w *denseScratch) rowsOf(f *field, row int) []segment {
	w.segments[0] = segment{data: f.data, stride: f.width, width: f.width, first: row}
	return w.segments[:]
}

func (s *denseStage) activate(out []float32, rows int) {
	n := s.Out
	if s.activation == "linear" {
		for r := range rows {
			s.e.kernels.add(out[r*n:(r+1)*n], s.table.shift)
		}
		return
	}
	s.e.kernels.activate(out, out, rows, n, s.table)
}

func (s *denseStage) backward(*pass) {
	if !s.Head {
		differentiate(s.activation, s.out.grad[:s.sched.Rows*s.Out], s.out.data)
	}
	s.stack.pool.run(s.slots.n, s.gradientJob)
	s.reduce()
	if s.in.back && s.in.source == nil {
		s.stack.pool.run(chunks(s.sched.Rows), s.backwardJob)
	}
}

// differentiate turns ∂/∂y into ∂/∂(argument) for y = activation(argument).
func differentiate(activation string, d, y []float32) {
	y = y[:len(d)]
	switch activation {
	case "tanh":
		for i, v := range y {
			d[i] *= 1 - v*v
		}
	case "sigmoid":
		for i, v := range y {
			d[i] *= v * (1 - v)
		}
	}
}

func (s *denseStage) weightGradient(task, worker int) {
	w, k, n := &s.scratch[worker], s.In, s.Out
	slot := s.slots.slot(0, task)
	clear(slot)
	first, last := s.slots.share(task)
	for c := first; c < last; c++ {
		from, to := chunk(c, s.sched.Rows)
		w.segments[0] = segment{data: s.out.grad, stride: n, width: n, first: from}
		w.outer(w.segments[:], to-from, s.in.data[from*k:], k, k, slot[:n*k])
		w.segments[0] = segment{ones: true, width: 1}
		w.outer(w.segments[:], to-from, s.out.grad[from*n:], n, n, slot[n*k:])
	}
}

func (s *denseStage) sumsLength() int        { return s.slots.size }
func (s *denseStage) setSums(sums []float32) { s.sums = sums }

// reduce adds the slots, in their order, to the sums.
func (s *denseStage) reduce() {
	for i := range s.sums {
		var sum float64
		for n := range s.slots.n {
			sum += float64(s.slots.slot(0, n)[i])
		}
		s.sums[i] += float32(sum)
	}
}

// finish adds the sums to the arena.
func (s *denseStage) finish() {
	weight, _ := s.e.model.StageParam(s.index, "weight")
	n := weight.Size()
	s.e.kernels.add(s.e.grads[weight.Offset:][:n], s.sums[:n])
	if bias, ok := s.e.model.StageParam(s.index, "bias"); ok {
		s.e.kernels.add(s.e.grads[bias.Offset:][:s.Out], s.sums[n:])
	}
}

func (s *denseStage) inputGradient(task, worker int) {
	from, to := chunk(task, s.sched.Rows)
	w, k, n := &s.scratch[worker], s.In, s.Out
	for ; from < to; from += tileRows {
		end := min(to, from+tileRows)
		w.segments[0] = segment{data: s.out.grad, stride: n, width: n, first: from}
		w.rows(w.segments[:], end-from, rowMajor(s.weight, k), k, s.in.grad[from*k:end*k])
	}
}

// gradientOf is inputGradient for rows and columns of the caller's choice.
func (s *denseStage) gradientOf(index []int32, offset, width int, dst []float32, worker int) {
	w := &s.scratch[worker]
	w.segments[0] = segment{data: s.out.grad, stride: s.Out, width: s.Out, index: index}
	w.rows(w.segments[:], len(index), rowMajor(s.weight[offset:], s.In), width, dst)
}

func (s *denseStage) bytes() int64 {
	return s.out.bytes() + s.slots.bytes() + 4*int64(len(s.transposed))
}
