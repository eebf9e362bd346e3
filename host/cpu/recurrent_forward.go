package cpu

// forward walks every strand through its wavefronts.
func (s *recurrentStage) forward(*pass) {
	s.h.zero()
	s.out.zero()
	s.walk(s.onward, s.all())
	if s.out != s.h {
		s.stack.pool.run(chunks(s.sched.Rows), s.combineJob)
	}
}

func (s *recurrentStage) forwardWave(st *strand, lane int, m move, worker int) {
	from, to := s.lane(st, lane, m.wave)
	w, d := &s.scratch[worker], &s.dirs[st.direction]
	for ; from < to; from += tileRows {
		end := min(to, from+tileRows)
		s.tileOf(w, st, m, from, end)
		s.forwardTile(d, st.direction, from, end, w)
		if s.recompute && m.do == ahead {
			s.keepCells(w, st, m.wave, from)
		}
	}
}

// tileOf points w's tile at rows from … to-1 of a wavefront.
func (s *recurrentStage) tileOf(w *recurrentScratch, st *strand, m move, from, to int) *tile {
	switch {
	case m.do == ahead && s.sparing():
		s.tileInRing(w, st, &st.ring, m.wave, from, to)
		s.gatesOfTile(w)
	case s.recompute:
		s.tileInRing(w, st, &st.store.cells, m.wave, from, to)
		s.gatesOfStore(w, st, m.wave, from)
	default:
		s.tile(w, &s.dirs[st.direction], from, to)
	}
	t, own := &w.tile, &w.own
	t.tc = own.tc[:t.n*s.padded]
	t.gates = w.kept
	if s.Cell == cellLayerNorm {
		t.gates = own.gates[:len(w.kept)]
	}
	return t
}

// sparing says that gates are not kept for all rows.
func (s *recurrentStage) sparing() bool { return s.predict || s.recompute }

// tile points w's tile at rows from … to-1 of direction d.
func (s *recurrentStage) tile(w *recurrentScratch, d *direction, from, to int) {
	p, gp := s.padded, s.Gates*s.padded
	t := &w.tile
	t.n, t.p, t.axes = to-from, p, s.Axes
	w.kept = d.gates[from*gp : to*gp]
	if s.Cell == cellLayerNorm {
		w.inverse = d.inverse[from*(s.Gates+1):]
	}
	t.c, t.cells = d.c[from*p:to*p], d.c
	s.outputsOf(t, d, from, to)
	t.peepI, t.peepO, t.peepF = d.peepI, d.peepO, d.peepF
	t.pred = t.pred[:0]
	for a := range s.Axes {
		t.pred = append(t.pred, s.sched.Pred[a][from:to])
	}
	s.before(w, d, from, to)
}

// outputsOf points t at the rows of h of rows from … to-1 of direction d.
func (s *recurrentStage) outputsOf(t *tile, d *direction, from, to int) {
	t.h, t.row = s.h.data[d.offset:], d.input[from:to]
	t.stride, t.hidden = s.h.width, s.Hidden
}

// before points w at the rows in h of the predecessors' outputs.
func (s *recurrentStage) before(w *recurrentScratch, d *direction, from, to int) {
	for a := range s.Axes {
		w.before[a] = d.pred[a][from:to]
	}
}

// forwardTile computes the rows that w's tile stands for.
func (s *recurrentStage) forwardTile(d *direction, q, from, to int, w *recurrentScratch) {
	k := s.kernels
	p, g := s.padded, s.Gates
	gp := g * p
	t := &w.tile
	t.x, t.weight, t.shift = t.c, d.cell.weight, d.cell.shift
	w.rows(s.inputs(w, d, q, from, to, false), t.n, d.forward, gp, w.kept)

	switch s.Cell {
	case cellLayerNorm:
		k.normalise(w.kept, w.kept, w.inverse, g+1, t.n, g, p, s.Hidden)
		k.activate(t.gates, w.kept, t.n, gp, d.gate)
		k.additive(t)
		t.x = w.own.cHat
		k.normalise(t.x, t.c, w.inverse[g:], g+1, t.n, 1, p, s.Hidden)
		k.hidden(t)
	case cellGraves:
		output := t.gates[gp-p:]
		k.peepholes(t)
		k.activate(t.gates, t.gates, t.n, gp, d.gate.columns(0, gp-p))
		k.additive(t)
		k.outputPeephole(t)
		k.activate(output, output, t.n, gp, d.gate.columns(gp-p, gp))
		k.hidden(t)
	case cellLeakyLP:
		k.activate(t.gates, t.gates, t.n, gp, d.gate)
		k.leaky(t)
		k.mixed(t)
	default:
		k.activate(t.gates, t.gates, t.n, gp, d.gate)
		if s.Cell == cellStable {
			k.stable(t)
		} else {
			k.additive(t)
		}
		k.hidden(t)
	}
}

// inputs lists what a row of direction d is multiplied with: its inputs, its
// predecessors' outputs (see before) and, for the gradient of the bias, a one.
func (s *recurrentStage) inputs(w *recurrentScratch, d *direction, q, from, to int, gradient bool) []segment {
	list := append(w.segments[:0], segment{data: s.in.data, stride: s.in.width, width: s.in.width, index: d.input[from:to]})
	for a := range s.Axes {
		list = append(list, segment{
			data: s.h.data, stride: s.h.width, offset: d.offset, width: s.Hidden, index: w.before[a],
		})
	}
	if gradient && s.Cell != cellLayerNorm {
		list = append(list, segment{ones: true, width: 1})
	}
	return list
}

// combineChunk adds or averages the directions' outputs.
func (s *recurrentStage) combineChunk(task, _ int) {
	from, to := chunk(task, s.sched.Rows)
	h, scale := s.Hidden, s.share()
	for r := from; r < to; r++ {
		out := s.out.data[r*h : (r+1)*h]
		clear(out)
		for q := range s.dirs {
			s.e.kernels.axpy(scale, s.h.data[r*s.h.width+q*h:][:h], out)
		}
	}
}

// share is what one direction counts for in the output.
func (s *recurrentStage) share() float32 {
	if s.Combine == "mean" {
		return 1 / float32(len(s.dirs))
	}
	return 1
}
