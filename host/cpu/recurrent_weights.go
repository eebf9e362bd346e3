package cpu

import "mdlstm-gpu/host/nn"

// How the gradients of a layer's weights are made. Those of weights that stay in
// a cache beside a tile are made with the tile, while its dz is there too: fused,
// in a slot for each lane. Larger ones are made once all dz are known, a block of
// weights a task, from all rows.
const (
	fusedWeights = 1 << 16 // largest weights of a direction that are fused

	blockInputs  = 128 // most rows of a block of the stacked weights
	blockColumns = 512
	blockUnit    = 32 // columns of a tile of the products
	blockTiles   = 64 // that a block adds up before they meet the sums
)

// weightRows is how many rows the stacked weights have: inputs, predecessors'
// outputs and, for the gradient of the bias, one of ones.
func weightRows(st *nn.Stage) int {
	rows := st.In + st.Axes*st.Hidden
	if st.Cell != cellLayerNorm {
		rows++
	}
	return rows
}

func (s *recurrentStage) weightRows() int { return weightRows(&s.Stage) }

// fuses says whether a layer's gradients of weights are made tile by tile.
// Recomputation has no choice: it keeps no dz.
func (e *Engine) fuses(st *nn.Stage) bool {
	return e.options.Recompute || weightRows(st)*st.Gates*e.padded(st.Hidden) <= fusedWeights
}

// slot is where a lane of a strand adds up its weight gradients.
func (s *recurrentStage) slot(st *strand, lane int) []float32 {
	return s.weightSlots.slot(st.direction, st.group*s.cut.lanes+lane)
}

// blocks is how large a block of the stacked weights of a direction is, and how
// many there are down and across.
func (s *recurrentStage) blocks() (inputs, columns, down, across int) {
	inputs, down = even(s.weightRows(), blockInputs, 1)
	columns, across = even(s.Gates*s.padded, blockColumns, blockUnit)
	return
}

// even cuts n into as few shares as most allows, of as equal size as can be in
// multiples of unit.
func even(n, most, unit int) (size, shares int) {
	size = chunksOf(chunksOf(n, chunksOf(n, most)), unit) * unit
	return size, chunksOf(n, size)
}

// weightGradient adds leftᵀ·dz of a block of one direction's weights to the sums.
func (s *recurrentStage) weightGradient(task, worker int) {
	inputs, columns, down, across := s.blocks()
	q, block := task/(down*across), task%(down*across)
	d, w, gp, rows := &s.dirs[q], &s.scratch[worker], s.Gates*s.padded, s.sched.Rows
	i, j := block/across*inputs, block%across*columns
	inputs, columns = min(inputs, s.weightRows()-i), min(columns, gp-j)
	w.block = grow(w.block, blockInputs*blockColumns)
	sums := w.block[:inputs*columns]
	clear(sums)
	for from, tiles := 0, 1; from < rows; from, tiles = from+tileRows, tiles+1 {
		to := min(from+tileRows, rows)
		s.before(w, d, from, to)
		left := columnsOf(s.inputs(w, d, q, from, to, true), i, i+inputs)
		w.outer(left, to-from, d.gates[from*gp+j:], gp, columns, sums)
		if to < rows && tiles%blockTiles > 0 {
			continue
		}
		for r := range inputs {
			s.e.kernels.add(s.weightSums(q)[(i+r)*gp+j:][:columns], sums[r*columns:][:columns])
		}
		clear(sums)
	}
}

// sumsLength is of the stacked weights' gradients of all directions, then of what
// lanes add up.
func (s *recurrentStage) sumsLength() int { return len(s.dirs) * (s.weightSlots.size + s.laneSize()) }

func (s *recurrentStage) setSums(sums []float32) { s.sums = sums }

// finish adds the sums to the arena, which has the model file's layout.
func (s *recurrentStage) finish() {
	s.stack.pool.run(len(s.dirs)*chunksOf(s.weightRows(), reduceRows), s.finishJob)
	for q := range s.dirs {
		s.finishLanes(q)
	}
}

// weightSums are the sums of direction q's weights, laneSums those of its lanes.
func (s *recurrentStage) weightSums(q int) []float32 {
	return s.sums[q*s.weightSlots.size : (q+1)*s.weightSlots.size]
}

func (s *recurrentStage) laneSums(q int) []float32 {
	n := s.laneSize()
	return s.sums[len(s.dirs)*s.weightSlots.size+q*n:][:n]
}

// reduceRows is how many rows of the stacked weights one task reduces.
const reduceRows = 16

func chunksOf(n, size int) int { return (n + size - 1) / size }

// weightRange is a task's direction and rows of its stacked weights.
func (s *recurrentStage) weightRange(task int) (q, from, to int) {
	blocks := chunksOf(s.weightRows(), reduceRows)
	q, block := task/blocks, task%blocks
	return q, block * reduceRows, min((block+1)*reduceRows, s.weightRows())
}

// reduceWeights adds a direction's slots, in their order, to the sums of all
// parts.
func (s *recurrentStage) reduceWeights(task, _ int) {
	q, from, to := s.weightRange(task)
	gp := s.Gates * s.padded
	for n := range s.weightSlots.n {
		s.e.kernels.add(s.weightSums(q)[from*gp:to*gp], s.weightSlots.slot(q, n)[from*gp:to*gp])
	}
}

// finishWeights hands rows of a direction's weights to the arena, where what is a
// column here lies side by side: neighbours of one tensor go there together.
func (s *recurrentStage) finishWeights(task, _ int) {
	q, from, to := s.weightRange(task)
	k, h, g := s.In, s.Hidden, s.Gates
	grads := s.e.grads
	ih, hh, bias := s.param(grads, "weight_ih"), s.param(grads, "weight_hh"), s.param(grads, "bias")
	for from < to {
		a, end := (from-k)/h, to
		switch {
		case from < k:
			end = min(to, k)
			s.finishColumns(q, from, end, ih[q*g*h*k+from:], k)
		case a < s.Axes:
			end = min(to, k+(a+1)*h)
			s.finishColumns(q, from, end, hh[(q*s.Axes+a)*g*h*h+(from-k)%h:], h)
		default:
			s.finishColumns(q, from, end, bias[q*g*h:], 1)
		}
		from = end
	}
}

// finishColumns adds rows from … to-1 of direction q's weights, transposed, to
// dst, in which units are stride apart.
func (s *recurrentStage) finishColumns(q, from, to int, dst []float32, stride int) {
	p, h, gp := s.padded, s.Hidden, s.Gates*s.padded
	sums := s.weightSums(q)[from*gp : to*gp]
	for gate := range s.Gates {
		for j := range h {
			unit := dst[(gate*h+j)*stride:][:to-from]
			for i := range unit {
				unit[i] += sums[i*gp+gate*p+j]
			}
		}
	}
}

// reduceLanes adds up what the lanes of direction q summed.
func (s *recurrentStage) reduceLanes(q int) {
	sums := s.laneSums(q)
	for j := range sums {
		var sum float64
		for i := range s.cut.strands {
			if st := &s.cut.strands[i]; st.direction == q {
				for l := range st.sums {
					sum += st.sums[l].wide[j]
				}
			}
		}
		sums[j] += float32(sum)
	}
}

// finishLanes hands direction q's gradients of norms or peepholes to the arena.
func (s *recurrentStage) finishLanes(q int) {
	h, p, g, sums := s.Hidden, s.padded, s.Gates, s.laneSums(q)
	add := func(tensor string, row, at int) { // to row of [rows, H]
		s.e.kernels.add(s.param(s.e.grads, tensor)[row*h:(row+1)*h], sums[at:at+h])
	}
	switch s.Cell {
	case cellLayerNorm:
		for gate := range g {
			add("ln_gate.weight", q*g+gate, gate*p)
			add("ln_gate.bias", q*g+gate, (g+gate)*p)
		}
		add("ln_cell.weight", q, 2*g*p)
		add("ln_cell.bias", q, (2*g+1)*p)
	case cellGraves:
		add("peephole_i", q, 0)
		add("peephole_o", q, p)
		for a := range s.Axes {
			add("peephole_f", q*s.Axes+a, (2+a)*p)
		}
	}
}
