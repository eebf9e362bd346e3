package gpu

import (
	"fmt"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// recurrentStage is one mdlstm layer.
//
// Every direction keeps its arrays in its own row order; only h lies at the row
// of the cell it belongs to, so that the directions' outputs stand side by side
// and the next stage reads them as they are.
type recurrentStage struct {
	p *plan
	*nn.Stage
	weights    *weights
	in         *field
	h          *field // [C+1, R·H], at the cells' rows
	out        *field // h itself when directions are concatenated
	directions []grid.Direction
	shape      RecurrentShape
	halves     bool // what a stretch leaves is saved in bfloat16, not computed again
	recurrentKernels

	input array // int32 [R, C+1] row of the cell that a row of a direction stands for

	gates, cell, tanhCell, hat, cellHat, inverse, dhPred, dcPred, partial, sums array // see RecurrentArgs
	saved                                                                       array // see StoreArgs
	slots                                                                       array // of the weights' gradients
}

func newRecurrentStage(p *plan, index int, in *field) (*recurrentStage, error) {
	st := &p.e.model.Stages[index]
	s := &recurrentStage{p: p, Stage: st, weights: &p.e.weights[index], in: in}
	for _, signs := range st.Directions {
		d, err := grid.ParseDirection(signs, st.Axes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", st.Name, err)
		}
		s.directions = append(s.directions, d)
	}
	in.walk(p.inputs)
	var err error
	shape := RecurrentShape{
		Cell: st.Cell, Axes: st.Axes, Hidden: st.Hidden, Directions: len(st.Directions),
		ForgetBias: float32(st.ForgetBias), Clip: float32(st.ClipError),
		Rows: in.rows, Wavefronts: in.waves, Samples: in.samples, Wave: in.largestWave(st.Axes), Precision: p.e.options.Precision,
	}
	if p.e.inStretches() {
		shape.Stretch = newStretch(&shape, in.line, s.words(), s.cutsEachBatch())
	}
	s.shape, s.halves = shape, p.e.inStretches() && !p.e.options.Recompute
	s.recurrentKernels, err = p.e.kernels.newRecurrentKernels(shape, p.e.options.Kernels)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st.Name, err)
	}
	s.take()
	return s, nil
}

// cutsEachBatch says whether stretches are those of the batch at hand, not of the
// room there is: where the sum over directions that inputGradient makes has an
// order that follows from where stretches end. Of two, either order gives the same.
func (s *recurrentStage) cutsEachBatch() bool {
	return s.p.e.inStretches() && s.in.back && len(s.directions) > 2
}

// words is how many values of each hidden unit of a row wait for the backward
// pass: gates, c and what o multiplies, for layernorm x̂ of the gates and of c.
func (s *recurrentStage) words() int {
	if s.Cell == nn.CellLayerNorm {
		return 2*s.Gates + 3
	}
	return s.Gates + 2
}

// take cuts off all arrays of the layer.
func (s *recurrentStage) take() {
	r, c, h, g, d, w := len(s.directions), s.in.rows, s.Hidden, s.Gates, s.Axes, s.p.work
	s.input = s.p.inputs.take(r, c+1)
	s.h = s.p.newField(s.in.level, r*h, true)
	s.out = s.h
	if s.Combine != nn.CombineConcat {
		s.out = s.p.newField(s.in.level, h, true)
	}
	x, room := &s.shape.Stretch, s.shape.room()
	gateRows := r * room
	if x.kept() > 0 {
		gateRows += 2 * r * CarryRows
	}
	s.gates, s.tanhCell = w.take(gateRows, g*h), w.take(r, room, h)
	s.cell = w.takeRows(r, x.kept()*x.Line+room, h)
	if s.Cell == nn.CellLayerNorm {
		s.hat, s.cellHat, s.inverse = w.take(r, room, g*h), w.take(r, room, h), w.take(r, room, g+1)
	}
	if n := s.leftRows(); n > 0 {
		s.dhPred, s.dcPred = w.takeRows(r, n, d*h), w.takeRows(r, n, d*h)
	}
	if s.halves {
		s.saved = w.take(r, c, s.stored(0).StoredWords())
	}
	if n := s.partialLength(); n > 0 {
		s.partial = w.take(n)
	}
	if n := s.sumsLength(); n > 0 {
		s.sums = w.take(n)
	}
	s.slots = w.take(s.outer(0).PartialLength())
}

func (s *recurrentStage) bind() error {
	if axes := s.in.sched.Axes; axes != s.Axes {
		return fmt.Errorf("%s: %w: %d axes, the model has %d", s.Name, ErrShape, axes, s.Axes)
	}
	if err := s.choose(s.in.sched); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	if s.cutsEachBatch() {
		s.shape.Stretch.Waves = stretchWaves(s.in.sched.Wavefronts, s.words())
	}
	s.chosen.shape.Stretch = s.shape.Stretch
	return nil
}

func (s *recurrentStage) write(host []int32) {
	table := part(s.input, host)
	for q, d := range s.directions {
		rows := table[q*(s.in.rows+1):][:s.in.rows+1]
		copy(rows, s.in.sched.Input(d)[:s.in.sched.Rows]) // rows to rows: none leads to the row of zeros
		rows[s.in.rows] = int32(s.in.rows)
	}
}

// args are the arrays of the layer as kernels take them.
func (s *recurrentStage) args() *RecurrentArgs {
	l, w := s.in.level, s.weights
	return &RecurrentArgs{
		Wave: l.wave.address(), Pred: l.pred.address(), Succ: l.succ.address(), Input: s.input.address(), Start: l.start.address(),
		H: s.h.data.address(), DH: s.h.grad.address(),
		Gates: s.gates.address(), Cell: s.cell.address(), TanhCell: s.tanhCell.address(), Hat: s.hat.address(),
		CellHat: s.cellHat.address(), Inverse: s.inverse.address(), DHPred: s.dhPred.address(), DCPred: s.dcPred.address(),
		HHT: w.hhT.address(), HHB: w.hhB.address(), Partial: s.partial.address(), Sums: s.sums.address(),
		Params: tensors(w.param), Grads: tensors(w.grad),
	}
}

// tensors finds the parameters that only some cells have, or their gradients.
func tensors(address func(suffix string) cuda.Address) RecurrentTensors {
	return RecurrentTensors{
		GateWeight: address("ln_gate.weight"), GateBias: address("ln_gate.bias"),
		CellWeight: address("ln_cell.weight"), CellBias: address("ln_cell.bias"),
		PeepholeF: address("peephole_f"), PeepholeI: address("peephole_i"), PeepholeO: address("peephole_o"),
	}
}

func (s *recurrentStage) forward(q *cuda.Stream, train bool) error {
	for i := range s.stretches() {
		if err := s.walk(q, i, true); err != nil {
			return err
		}
		if s.halves && train {
			if err := s.p.e.kernels.Store(q, s.stored(i)); err != nil {
				return err
			}
		}
	}
	if s.out == s.h {
		return nil
	}
	return s.p.e.kernels.Combine(q, s.combine(s.h.data, s.out.data))
}

// stretches is how many parts a pass has.
func (s *recurrentStage) stretches() int { return s.shape.Stretch.kept() + 1 }

// walk projects the inputs of stretch i and computes it; keep is for the first
// time.
func (s *recurrentStage) walk(q *cuda.Stream, i int, keep bool) error {
	rows, first := s.span(i)
	err := s.p.e.kernels.Product(q, ProductArgs{
		Rows: rows, First: first, Capacity: s.shape.room(), A: s.in.data.address(), Index: s.input.address(),
		B: s.weights.forward.address(), Bias: s.weights.param("bias"), Out: s.gates.address(),
		K: s.In, N: s.Gates * s.Hidden, AWidth: s.In, IndexRows: s.in.rows + 1, OutRows: s.shape.room(), Products: len(s.directions),
		Precision: s.precision(),
	})
	if err != nil {
		return err
	}
	return s.chosen.Forward(q, s.args(), i, keep)
}

// span is where the device finds the rows of stretch i: their end and their
// first, 0 where everything is kept.
func (s *recurrentStage) span(i int) (end, first cuda.Address) {
	if !s.p.e.inStretches() {
		return s.in.dims.address(), 0
	}
	from, to := s.shape.stretch(i)
	return s.in.wave.address() + cuda.Address(4*to), s.in.wave.address() + cuda.Address(4*from)
}

func (s *recurrentStage) backward(q *cuda.Stream) error {
	if s.out != s.h {
		if err := s.p.e.kernels.Split(q, s.combine(s.out.grad, s.h.grad)); err != nil {
			return err
		}
	}
	n := s.stretches()
	if s.p.e.inStretches() && s.in.back {
		if err := s.in.grad.clear(q); err != nil { // the stretches add to it
			return err
		}
	}
	for i := n - 1; i >= 0; i-- {
		if err := s.recall(q, i); err != nil {
			return err
		}
		if err := s.chosen.Backward(q, s.args(), i); err != nil {
			return err
		}
		if err := s.p.e.kernels.Outer(q, s.outer(i)); err != nil {
			return err
		}
		if err := s.inputGradient(q, i); err != nil {
			return err
		}
	}
	return nil
}

// recall brings back what forward left of stretch i.
func (s *recurrentStage) recall(q *cuda.Stream, i int) error {
	switch {
	case s.halves:
		return s.p.e.kernels.Restore(q, s.stored(i)) // also the last one: bits do not depend on stretches
	case i == s.stretches()-1:
		return nil // as forward left it
	}
	return s.walk(q, i, false)
}

// stored are the arrays of stretch i and where they are saved.
func (s *recurrentStage) stored(i int) StoreArgs {
	x, room, a := &s.shape.Stretch, s.shape.room(), s.args()
	b := StoreArgs{
		Saved: s.saved.address(), Wave: a.Wave, Gates: a.Gates, TanhCell: a.TanhCell, Cell: a.Cell, Hat: a.Hat, CellHat: a.CellHat,
		Inverse: a.Inverse, Capacity: s.in.rows, Room: room, CellRows: x.kept()*x.Line + room + 1, CellFrom: x.kept() * x.Line,
		Directions: len(s.directions), Hidden: s.Hidden, GateCount: s.Gates, LayerNorm: s.Cell == nn.CellLayerNorm,
	}
	b.Begin, b.End = s.shape.stretch(i)
	return b
}

// inputGradient makes stretch i's part of ∂/∂x. The rows of a stretch are other
// cells in each direction, so in stretches, even of everything, directions add one
// after the other, and x's gradient is their sum in the order of the stretches.
func (s *recurrentStage) inputGradient(q *cuda.Stream, i int) error {
	if !s.in.back {
		return nil
	}
	c, n := s.in.rows, s.Gates*s.Hidden
	a := ProductArgs{
		Rows: s.in.dims.address(), Capacity: c, A: s.gates.address(), Index: s.input.address(), B: s.weights.param("weight_ih"),
		Out: s.in.grad.address(), K: n, N: s.In, AWidth: n, ARows: c, IndexRows: c + 1, OutRows: c, Segments: len(s.directions),
		Precision: s.precision(),
	}
	if !s.p.e.inStretches() {
		return s.p.e.kernels.Product(q, a)
	}
	room := s.shape.room()
	a.Rows, a.First = s.span(i)
	a.Capacity, a.ARows, a.Segments, a.Accumulate, a.Scatter = room, room, 1, true, true
	for range s.directions {
		if err := s.p.e.kernels.Product(q, a); err != nil {
			return err
		}
		a.A += cuda.Address(4 * room * n)
		a.Index += cuda.Address(4 * (c + 1))
		a.B += cuda.Address(4 * n * s.In)
	}
	return nil
}

// precision is that of the layer's products.
func (s *recurrentStage) precision() Precision { return s.p.e.options.Precision.of(s.Hidden) }

// combine are the arguments of the sum or mean over directions, and of its
// backward.
func (s *recurrentStage) combine(from, to array) CombineArgs {
	scale := float32(1)
	if s.Combine == nn.CombineMean {
		scale = 1 / float32(len(s.directions))
	}
	return CombineArgs{
		RowsArgs: s.in.level.args(), In: from.address(), Out: to.address(), Width: s.Hidden, Directions: len(s.directions), Scale: scale,
	}
}

// outer is the product that makes the weights' gradients, stretch i's part of
// them.
func (s *recurrentStage) outer(i int) OuterArgs {
	c, l := s.in.rows, s.in.level
	a := OuterArgs{
		Rows: l.dims.address(), Capacity: c, X: s.in.data.address(), Index: s.input.address(), H: s.h.data.address(),
		Input: s.input.address(), Pred: l.pred.address(), DZ: s.gates.address(), Partial: s.slots.address(),
		Directions: len(s.directions), K: s.In, Hidden: s.Hidden, Axes: s.Axes, N: s.Gates * s.Hidden,
		XWidth: s.In, HWidth: s.h.width, TableRows: c + 1, PredRows: c, DZRows: s.shape.room(), Bias: s.Cell != nn.CellLayerNorm,
		Precision: s.precision(),
	}
	if s.stretches() > 1 {
		a.Wave, a.Parity = l.wave.address(), i%2
		a.Begin, a.End = s.shape.stretch(i)
	}
	return a
}

// reductions add the slots into the arena.
func (s *recurrentStage) reductions() []ReduceJob {
	jobs := s.outer(0).ReduceJobs(s.weights.grad("weight_ih"), s.weights.grad("weight_hh"), s.weights.grad("bias"))
	return append(jobs, s.chosen.ReduceJobs(s.args())...)
}
