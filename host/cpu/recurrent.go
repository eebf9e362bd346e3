package cpu

import (
	"fmt"
	"math"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// recurrentStage is one mdlstm layer.
//
// Every direction keeps its arrays in its own row order; only h lies at the row
// of the cell it belongs to, so that the directions' outputs stand side by side
// and the next stage reads them as they are. Memory in float32 for a row and
// direction: gates G·P, c (P), h and ∂h (H each); for layernorm the normalised
// gates in the place of the gates, and G+1 deviations. What follows from these
// is computed again, tile by tile, in the backward pass.
type recurrentStage struct {
	e     *Engine
	stack *stack
	index int // in Model.Stages
	nn.Stage
	padded  int      // P
	kernels *kernels // for tiles of P
	in      *field
	h       *field // [T+1, R·H], at the cells' rows
	out     *field // h itself when directions are concatenated
	sched   *grid.Schedule
	workers int // that sched was bound for
	dirs    []direction
	cut     cut
	waits   barrier
	clip    float32 // +Inf: off

	predict   bool // keep nothing for backward: see recurrent_ring.go
	recompute bool // keep little: see recurrent_recompute.go
	stretch   int  // wavefronts
	stores    []store

	onward, homeward []move // forward and backward
	moves            []move // of the walk that runs
	walked           strands

	bindJob, aloneJob, lockstepJob, gradientJob, reduceJob, finishJob, inputJob, combineJob, splitJob func(task, worker int)

	weightSlots slots     // of [R] directions: [K+D·H (+1), G·P]
	sums        []float32 // of the parts so far: see sumsLength
	fused       bool      // weight gradients are made tile by tile, a slot for each lane
	inputWeight panels    // [R·G·P, K], weight_ih with padded rows
	scratch     []recurrentScratch
}

// direction holds the arrays of one direction, in its row order.
type direction struct {
	mask   grid.Direction
	offset int       // of its columns in the layer's outputs
	input  []int32   // [T+1] row of the cell that row r stands for
	pred   [][]int32 // [D][T+1] row in h of the predecessor's output

	gates   []float32 // [T, G, P] gates, for layernorm the normalised ones; later dz, where it is kept
	c       []float32 // [T+1, P]
	inverse []float32 // [T, G+1] 1/deviation of each norm

	forward  panels // [K+D·H, G·P] stacked weights
	backward panels // [G·P, D·P] recurrent weights
	gate     table  // [G·P]
	cell     table  // [P]

	normGate, normCell []float32 // [G·P], [P] weights of the norms
	peepI, peepO       []float32 // [P]
	peepF              []float32 // [D·P]
}

// recurrentScratch belongs to one worker.
type recurrentScratch struct {
	products
	segments []segment
	tile     tile
	dh, dcs  []float32 // [tileRows, P]

	// For one tile: parts of the direction's arrays, or of memory of our own.
	kept, inverse []float32 // [n, G, P] gates or normalised gates; [n, G+1]
	before        [][]int32 // [D][tileRows] rows in h of the predecessors' outputs
	own           tileScratch
	dx            []float32 // [tileRows, K]
	block         []float32 // of weight gradients
	above         []float32 // [tileRows, H] ∂/∂h from above, where the field does not keep it
	count         []int32   // 0 … tileRows-1
}

func newRecurrentStage(k *stack, index int, in *field) (*recurrentStage, error) {
	e := k.e
	st := e.model.Stages[index]
	s := &recurrentStage{e: e, stack: k, index: index, Stage: st, in: in, predict: k.predict, recompute: k.recompute}
	s.clip = float32(math.Inf(1))
	if st.ClipError > 0 {
		s.clip = float32(st.ClipError)
	}
	s.padded = e.padded(st.Hidden)
	s.kernels = kernelsFor(e.sets, s.padded)
	r := len(st.Directions)
	switch {
	case st.Combine == "concat":
		s.h = k.field(r * st.Hidden)
		s.h.sparing = s.recompute
		s.out = s.h
	case s.predict:
		s.h, s.out = k.inSlab(r*st.Hidden, slabAside), k.field(st.Hidden)
	default:
		s.h, s.out = k.field(r*st.Hidden), k.field(st.Hidden)
	}
	p, g, d, factor := s.padded, st.Gates, st.Axes, e.newProducts().factor
	for q, signs := range st.Directions {
		mask, err := grid.ParseDirection(signs, d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", st.Name, err)
		}
		dir := direction{
			mask:    mask,
			offset:  q * st.Hidden,
			pred:    make([][]int32, d), // of our own unless the direction is all +
			forward: factor(st.In+d*st.Hidden, g*p),
			gate:    newTable(g * p),
			cell:    newTable(p),
		}
		if !s.predict {
			dir.backward = factor(g*p, d*p)
		}
		if st.Cell == cellLayerNorm {
			dir.normGate, dir.normCell = make([]float32, g*p), make([]float32, p)
		}
		if st.Cell == cellGraves {
			dir.peepI, dir.peepO, dir.peepF = make([]float32, p), make([]float32, p), make([]float32, d*p)
		}
		s.dirs = append(s.dirs, dir)
	}
	if in.back {
		s.inputWeight = factor(r*g*p, st.In)
	}
	if !s.predict {
		s.weightSlots.size = s.weightRows() * g * p
		s.fused = e.fuses(&st)
	}
	s.scratch = make([]recurrentScratch, k.pool.workers)
	for w := range s.scratch {
		s.scratch[w] = recurrentScratch{
			products: e.newProducts(),
			segments: make([]segment, 0, max(r, d+2)),
			before:   make([][]int32, d),
		}
		s.scratch[w].own = newTileScratch(d, g, p)
		if s.predict {
			continue
		}
		if s.recompute {
			s.scratch[w].above = make([]float32, tileRows*st.Hidden)
			for i := range int32(tileRows) {
				s.scratch[w].count = append(s.scratch[w].count, i)
			}
		}
		s.scratch[w].dh, s.scratch[w].dcs = make([]float32, tileRows*p), make([]float32, tileRows*p)
	}
	s.bindJob, s.aloneJob, s.lockstepJob = s.bindDirection, s.alone, s.lockstep
	s.gradientJob, s.reduceJob, s.finishJob, s.inputJob = s.weightGradient, s.reduceWeights, s.finishWeights, s.inputGradient
	s.combineJob, s.splitJob = s.combineChunk, s.splitChunk
	return s, nil
}

// The cells, by their names in the configuration.
const (
	cellLayerNorm = "layernorm"
	cellGraves    = "graves"
	cellStable    = "stable"
	cellLeakyLP   = "leakylp"
)

func (s *recurrentStage) bind(in *grid.Schedule) (*grid.Schedule, error) {
	if workers := s.stack.pool.workers; in != s.sched || workers != s.workers {
		s.workers = workers
	} else if !s.predict { // fields in slabs are placed anew each time
		return in, nil
	}
	if in.Axes != s.Axes {
		return nil, fmt.Errorf("%s: %d axes, the model has %d", s.Name, in.Axes, s.Axes)
	}
	s.sched = in
	t, p := in.Rows, s.padded
	s.h.resize(t)
	if s.out != s.h {
		s.out.resize(t)
	}
	s.stack.pool.run(len(s.dirs), s.bindJob)
	if s.predict {
		s.cut.set(in, len(s.dirs), 0, 0)
		for i := range s.cut.strands {
			st := &s.cut.strands[i]
			st.ring.make(2, st.most, p)
		}
		s.route()
		return in, nil
	}
	s.cut.set(in, len(s.dirs), s.Axes*p, s.laneSize())
	if s.recompute {
		s.bindStretches()
	}
	s.route()
	if s.fused {
		s.weightSlots.make(len(s.dirs), s.cut.groups*s.cut.lanes)
	}
	return in, nil
}

// bindDirection makes the maps and the room of one direction for the schedule
// bound last.
func (s *recurrentStage) bindDirection(q, _ int) {
	d, t, p, g := &s.dirs[q], s.sched.Rows, s.padded, s.Gates
	d.input = s.sched.Input(d.mask)
	if s.sparing() {
		return
	}
	for a := range d.pred {
		if d.mask == 0 {
			d.pred[a] = s.sched.Pred[a]
			continue
		}
		d.pred[a] = grow(d.pred[a], t+1)
		for r, pr := range s.sched.Pred[a] {
			d.pred[a][r] = d.input[pr]
		}
	}
	d.gates = grow(d.gates, t*g*p)
	d.c = grow(d.c, (t+1)*p)
	clear(d.c[t*p:])
	if s.Cell == cellLayerNorm {
		d.inverse = grow(d.inverse, t*(g+1))
	}
}

// refresh packs the parameters for the products and the gates. Padded columns
// are zero everywhere, which keeps the padding of z, c and h zero.
func (s *recurrentStage) refresh(params []float32) {
	k, h, p, g, axes := s.In, s.Hidden, s.padded, s.Gates, s.Axes
	ih, hh := s.param(params, "weight_ih"), s.param(params, "weight_hh")
	bias := s.param(params, "bias")
	for q := range s.dirs {
		d := &s.dirs[q]
		for gate := range g {
			for j := range h {
				column, row := gate*p+j, gate*h+j
				w := ih[(q*g*h+row)*k:][:k]
				d.forward.setColumn(column, 0, w)
				if s.in.back {
					s.inputWeight.setRow(q*g*p+column, 0, w)
				}
				for a := range axes {
					w := hh[((q*axes+a)*g*h+row)*h:][:h]
					d.forward.setColumn(column, k+a*h, w)
					if !s.predict {
						d.backward.setRow(column, a*p, w)
					}
				}
			}
		}
		s.refreshGates(d, q, params, bias)
	}
}

// refreshGates fills the tables of the gates: weight and shift are the norm's
// weight and bias, or 1 and the bias; the forget bias joins the shift.
func (s *recurrentStage) refreshGates(d *direction, q int, params, bias []float32) {
	h, p, g := s.Hidden, s.padded, s.Gates
	normWeight, normBias := s.param(params, "ln_gate.weight"), s.param(params, "ln_gate.bias")
	for gate := range g {
		for j := range h {
			at := (q*g+gate)*h + j
			weight, shift := float32(1), float32(0)
			if normWeight != nil {
				weight, shift = normWeight[at], normBias[at]
				d.normGate[gate*p+j] = weight
			} else {
				shift = bias[at]
			}
			if s.forgets(gate) {
				shift += float32(s.ForgetBias)
			}
			if gate == 1 {
				d.gate.setTanh(gate*p+j, weight, shift)
			} else {
				d.gate.setSigmoid(gate*p+j, weight, shift)
			}
		}
	}
	cellWeight, cellBias := s.param(params, "ln_cell.weight"), s.param(params, "ln_cell.bias")
	for j := range h {
		weight, shift := float32(1), float32(0)
		if cellWeight != nil {
			weight, shift = cellWeight[q*h+j], cellBias[q*h+j]
			d.normCell[j] = weight
		}
		d.cell.setTanh(j, weight, shift)
	}
	if d.peepI != nil {
		copy(d.peepI, s.param(params, "peephole_i")[q*h:][:h])
		copy(d.peepO, s.param(params, "peephole_o")[q*h:][:h])
		for a := range s.Axes {
			copy(d.peepF[a*p:], s.param(params, "peephole_f")[(q*s.Axes+a)*h:][:h])
		}
	}
}

// forgets says whether forget_bias is added to a gate: to every axis's forget
// gate, or to f_0 alone where the others only share the weight out.
func (s *recurrentStage) forgets(gate int) bool {
	if s.Cell == cellStable || s.Cell == cellLeakyLP {
		return gate == 2
	}
	return gate >= 2 && gate < 2+s.Axes
}

// param returns this stage's part of a flat array of parameters, nil when the
// cell has no such tensor.
func (s *recurrentStage) param(flat []float32, suffix string) []float32 {
	p, ok := s.e.model.StageParam(s.index, suffix)
	if !ok {
		return nil
	}
	return flat[p.Offset : p.Offset+p.Size()]
}

func (s *recurrentStage) bytes() int64 {
	n := s.h.bytes()
	if s.out != s.h {
		n += s.out.bytes()
	}
	for q := range s.dirs {
		d := &s.dirs[q]
		n += 4 * int64(cap(d.gates)+cap(d.c)+cap(d.inverse)+len(d.forward.data)+len(d.backward.data))
		if d.mask != 0 && !s.sparing() {
			n += 4 * int64(s.Axes*cap(d.pred[0]))
		}
	}
	for i := range s.stores {
		b := &s.stores[i]
		n += 4 * int64(cap(b.cells.cells)+cap(b.gates)+cap(b.inverse))
	}
	return n + s.cut.bytes() + s.weightSlots.bytes() + 4*int64(len(s.inputWeight.data))
}
