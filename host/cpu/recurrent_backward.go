package cpu

import "mdlstm-gpu/host/nn"

// backward walks the wavefronts in reverse, then makes the weight gradients and
// the gradient of the inputs.
func (s *recurrentStage) backward(*pass) {
	if s.out != s.h {
		s.stack.pool.run(chunks(s.sched.Rows), s.splitJob)
	}
	s.walkHome()
	if s.fused {
		s.stack.pool.run(len(s.dirs)*chunksOf(s.weightRows(), reduceRows), s.reduceJob)
	} else {
		_, _, down, across := s.blocks()
		s.stack.pool.run(len(s.dirs)*down*across, s.gradientJob)
	}
	for q := range s.dirs {
		s.reduceLanes(q)
	}
	if s.in.back && !s.recompute {
		s.stack.pool.run(chunks(s.sched.Rows), s.inputJob)
	}
}

// walkHome walks all strands in reverse, one direction after the other where
// they add to the same gradient of the inputs.
func (s *recurrentStage) walkHome() {
	if !s.in.back || !s.recompute {
		s.walk(s.homeward, s.all())
		return
	}
	clear(s.in.grad[:s.sched.Rows*s.In])
	for q := range s.dirs {
		s.walk(s.homeward, s.of(q))
	}
}

// splitChunk hands the gradient of a sum or mean to every direction.
func (s *recurrentStage) splitChunk(task, _ int) {
	from, to := chunk(task, s.sched.Rows)
	h, scale := s.Hidden, s.share()
	for r := from; r < to; r++ {
		dst := s.h.grad[r*s.h.width : (r+1)*s.h.width]
		clear(dst)
		for q := range s.dirs {
			s.e.kernels.axpy(scale, s.out.grad[r*h:(r+1)*h], dst[q*h:(q+1)*h])
		}
	}
}

func (s *recurrentStage) backwardWave(st *strand, lane, t, worker int) {
	from, to := s.lane(st, lane, t)
	sums, gp := &st.sums[lane], s.Gates*s.padded
	if t == s.sched.Wavefronts-1 {
		clear(sums.narrow)
		clear(sums.wide)
		sums.rows = 0
		if s.fused {
			clear(s.slot(st, lane))
		}
	}
	here, _ := s.sched.Range(t, st.from, st.to)
	behind := 0 // the last wavefront has no successors
	if t+1 < s.sched.Wavefronts {
		behind, _ = s.sched.Range(t+1, st.from, st.to)
	}
	for ; from < to; from += tileRows {
		end := min(to, from+tileRows)
		w := &s.scratch[worker]
		s.backwardTile(st, sums, from, end, here, behind, t, worker)
		if s.fused { // while dz is in cache
			d := &s.dirs[st.direction]
			w.outer(s.inputs(w, d, st.direction, from, end, true), end-from, w.tile.gates, gp, gp, s.slot(st, lane))
		}
		if s.Cell == cellLayerNorm && s.keepsDz() {
			copy(w.kept, w.tile.gates)
		}
		if s.in.back && s.recompute {
			s.addInputGradient(w, &s.dirs[st.direction], st.direction, from)
		}
		sums.count(end - from)
	}
	if t == 0 {
		sums.flush()
	}
}

// backwardTile turns the gates of rows from … to-1 into their gradients. The
// wavefront's rows begin at here in this strand, the successors' at behind.
func (s *recurrentStage) backwardTile(st *strand, sums *laneSums, from, to, here, behind, wavefront, worker int) {
	k, w := s.kernels, &s.scratch[worker]
	p, g, q := s.padded, s.Gates, st.direction
	gp, dp := g*p, s.Axes*p
	d := &s.dirs[q]
	t := s.tileOf(w, st, move{back, wavefront}, from, to)
	mine, theirs := &st.rings[wavefront%2], &st.rings[(wavefront+1)%2]
	left := mine.dh[(from-here)*dp : (to-here)*dp]
	t.dh, t.dcs = w.dh[:t.n*p], w.dcs[:t.n*p]
	t.dcp = mine.dc[(from-here)*dp : (to-here)*dp]
	t.clip = s.clip
	t.succ = t.succ[:0]
	s.gradientAbove(w, d, worker)
	for a := range s.Axes {
		t.succ = append(t.succ, s.sched.Succ[a][from:to])
	}
	t.none, t.behind = s.sched.Rows, behind
	t.laterH, t.laterC = theirs.dh, theirs.dc
	k.collect(t)
	s.outputsOf(t, d, from, to)

	s.revive(t, d, w)
	switch s.Cell {
	case cellLayerNorm:
		gate, cell := sums.narrow[:2*gp], sums.narrow[2*gp:]
		k.output(t)
		k.denormalise(t.dh, w.own.cHat, d.normCell, w.inverse[g:], g+1, t.n, 1, p, s.Hidden, cell[:p], cell[p:])
		k.normedBack(t)
		k.denormalise(t.gates, w.kept, d.normGate, w.inverse, g+1, t.n, g, p, s.Hidden, gate[:gp], gate[gp:])
	case cellGraves:
		t.dPeepI, t.dPeepO, t.dPeepF = sums.narrow[:p], sums.narrow[p:2*p], sums.narrow[2*p:]
		k.peepholesBack(t)
	case cellLeakyLP:
		k.leakyBack(t)
	case cellStable:
		k.stableBack(t)
	default:
		k.additiveBack(t)
	}
	w.rows(append(w.segments[:0], segment{data: t.gates, stride: gp, width: gp}), t.n, d.backward, dp, left)
}

// keepsDz says that dz takes the place of the gates, to be multiplied later.
func (s *recurrentStage) keepsDz() bool { return !s.fused || s.in.back && !s.recompute }

// revive computes what the forward pass has not kept for a tile: gates from the
// normalised ones, and tanh of the cell.
func (s *recurrentStage) revive(t *tile, d *direction, w *recurrentScratch) {
	k, p, g := s.kernels, s.padded, s.Gates
	switch s.Cell {
	case cellLayerNorm:
		k.activate(t.gates, w.kept, t.n, g*p, d.gate)
		k.normalise(w.own.cHat, t.c, w.inverse[g:], g+1, t.n, 1, p, s.Hidden)
		k.activate(t.tc, w.own.cHat, t.n, p, d.cell)
	case cellLeakyLP:
		for r, row := range t.row { // h is a tanh
			copy(t.tc[r*p:(r+1)*p], t.h[int(row)*t.stride:][:s.Hidden])
		}
	default:
		k.activate(t.tc, t.c, t.n, p, d.cell)
	}
}

// gradientAbove points w's tile at ∂/∂h from above.
func (s *recurrentStage) gradientAbove(w *recurrentScratch, d *direction, worker int) {
	t := &w.tile
	if s.h.source == nil {
		t.grad = s.h.grad[d.offset:]
		return
	}
	s.h.source.gradientOf(t.row, d.offset, s.Hidden, w.above, worker)
	t.grad, t.row, t.stride = w.above, w.count[:t.n], s.Hidden
}

// laneSize is how many gradients a lane adds up on its own: weights and biases
// of the norms, or peepholes.
func laneSize(st *nn.Stage, padded int) int {
	switch st.Cell {
	case cellLayerNorm:
		return 2 * (st.Gates + 1) * padded
	case cellGraves:
		return (2 + st.Axes) * padded
	}
	return 0
}

func (s *recurrentStage) laneSize() int { return laneSize(&s.Stage, s.padded) }

// inputGradient computes ∂/∂x for a chunk of rows: dz of all directions, side
// by side, times weight_ih.
func (s *recurrentStage) inputGradient(task, worker int) {
	from, to := chunk(task, s.sched.Rows)
	w, gp := &s.scratch[worker], s.Gates*s.padded
	for ; from < to; from += tileRows {
		end := min(to, from+tileRows)
		list := w.segments[:0]
		for q := range s.dirs {
			list = append(list, segment{data: s.dirs[q].gates, stride: gp, width: gp, index: s.dirs[q].input[from:end]})
		}
		w.rows(list, end-from, s.inputWeight, s.In, s.in.grad[from*s.In:end*s.In])
	}
}
