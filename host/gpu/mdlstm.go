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
	recurrentKernels

	input array // int32 [R, C+1] row of the cell that a row of a direction stands for

	gates, cell, tanhCell, hat, cellHat, inverse, dhPred, dcPred, partial array // see RecurrentArgs
	slots                                                                 array // of the weights' gradients
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
	s.recurrentKernels, err = p.e.kernels.newRecurrentKernels(RecurrentShape{
		Cell: st.Cell, Axes: st.Axes, Hidden: st.Hidden, Directions: len(st.Directions),
		ForgetBias: float32(st.ForgetBias), Clip: float32(st.ClipError),
		Rows: in.rows, Wavefronts: in.waves, Samples: in.samples, Wave: in.largestWave(st.Axes), Precision: p.e.options.Precision,
	}, p.e.options.Kernels)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st.Name, err)
	}
	s.take()
	return s, nil
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
	s.gates, s.tanhCell = w.take(r, c, g*h), w.take(r, c, h)
	s.cell = w.takeRows(r, c, h)
	if s.Cell == nn.CellLayerNorm {
		s.hat, s.cellHat, s.inverse = w.take(r, c, g*h), w.take(r, c, h), w.take(r, c, g+1)
	}
	s.dhPred, s.dcPred = w.takeRows(r, c, d*h), w.takeRows(r, c, d*h)
	if n := s.partialLength(); n > 0 {
		s.partial = w.take(n)
	}
	s.slots = w.take(s.outer().PartialLength())
}

func (s *recurrentStage) bind() error {
	if axes := s.in.sched.Axes; axes != s.Axes {
		return fmt.Errorf("%s: %w: %d axes, the model has %d", s.Name, ErrShape, axes, s.Axes)
	}
	if err := s.choose(s.in.sched); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
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
		HHT: w.hhT.address(), HHB: w.hhB.address(), Partial: s.partial.address(),
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

func (s *recurrentStage) forward(q *cuda.Stream, _ bool) error {
	k, c, n := s.p.e.kernels, s.in.rows, s.Gates*s.Hidden
	err := k.Product(q, ProductArgs{
		Rows: s.in.dims.address(), Capacity: c, A: s.in.data.address(), Index: s.input.address(), B: s.weights.forward.address(),
		Bias: s.weights.param("bias"), Out: s.gates.address(), K: s.In, N: n, AWidth: s.In, IndexRows: c + 1, OutRows: c,
		Products: len(s.directions), Precision: s.precision(),
	})
	if err != nil {
		return err
	}
	if err := s.chosen.Forward(q, s.args()); err != nil || s.out == s.h {
		return err
	}
	return k.Combine(q, s.combine(s.h.data, s.out.data))
}

func (s *recurrentStage) backward(q *cuda.Stream) error {
	k, c, n := s.p.e.kernels, s.in.rows, s.Gates*s.Hidden
	if s.out != s.h {
		if err := k.Split(q, s.combine(s.out.grad, s.h.grad)); err != nil {
			return err
		}
	}
	if err := s.chosen.Backward(q, s.args()); err != nil {
		return err
	}
	if err := k.Outer(q, s.outer()); err != nil || !s.in.back {
		return err
	}
	return k.Product(q, ProductArgs{
		Rows: s.in.dims.address(), Capacity: c, A: s.gates.address(), Index: s.input.address(), B: s.weights.param("weight_ih"),
		Out: s.in.grad.address(), K: n, N: s.In, AWidth: n, ARows: c, IndexRows: c + 1, OutRows: c, Segments: len(s.directions),
		Precision: s.precision(),
	})
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

// outer is the product that makes the weights' gradients.
func (s *recurrentStage) outer() OuterArgs {
	c, l := s.in.rows, s.in.level
	return OuterArgs{
		Rows: l.dims.address(), Capacity: c, X: s.in.data.address(), Index: s.input.address(), H: s.h.data.address(),
		Input: s.input.address(), Pred: l.pred.address(), DZ: s.gates.address(), Partial: s.slots.address(),
		Directions: len(s.directions), K: s.In, Hidden: s.Hidden, Axes: s.Axes, N: s.Gates * s.Hidden,
		XWidth: s.In, HWidth: s.h.width, TableRows: c + 1, PredRows: c, DZRows: c, Bias: s.Cell != nn.CellLayerNorm,
		Precision: s.precision(),
	}
}

// reductions add the slots into the arena.
func (s *recurrentStage) reductions() []ReduceJob {
	jobs := s.outer().ReduceJobs(s.weights.grad("weight_ih"), s.weights.grad("weight_hh"), s.weights.grad("bias"))
	return append(jobs, s.chosen.ReduceJobs(s.args())...)
}
