package cpu

// forward walks every strand through its wavefronts.
func (s *recurrentStage) forward(*pass) {
	s.h.zero()
	s.out.zero()
	s.walk(s.forwardJob)
	if s.out != s.h {
		s.e.pool.run(chunks(s.sched.Rows), s.combineJob)
	}
}

// walk runs strands side by side, or, where there are fewer strands than
// workers and they have lanes, all strands in lockstep, a barrier after each
// wavefront. The bits are the same.
func (s *recurrentStage) walk(alone func(task, worker int)) {
	workers := s.e.pool.workers
	if s.cut.lanes > 1 && len(s.cut.strands) < workers {
		workers = min(workers, len(s.cut.strands)*s.cut.lanes)
		s.waits.size = int32(workers)
		s.e.pool.run(workers, s.lockstepJob)
		return
	}
	s.e.pool.run(len(s.cut.strands), alone)
}

func (s *recurrentStage) forwardStrand(task, worker int) {
	for t := range s.sched.Wavefronts {
		for lane := range s.cut.lanes {
			s.forwardWave(&s.cut.strands[task], lane, t, worker)
		}
	}
}

// lockstep is one of the workers that share every wavefront; forward and
// backward differ in the order of the wavefronts and in what they do.
func (s *recurrentStage) lockstep(task, worker int) {
	items := len(s.cut.strands) * s.cut.lanes
	for t := range s.sched.Wavefronts {
		for i := task; i < items; i += int(s.waits.size) {
			if st, lane := &s.cut.strands[i/s.cut.lanes], i%s.cut.lanes; s.reverse {
				s.backwardWave(st, lane, s.sched.Wavefronts-1-t, worker)
			} else {
				s.forwardWave(st, lane, t, worker)
			}
		}
		s.waits.wait()
	}
}

// lane returns the rows of a lane in wavefront t of a strand.
func (s *recurrentStage) lane(st *strand, lane, t int) (from, to int) {
	lo, hi := s.sched.Range(t, st.from, st.to)
	return lo + (hi-lo)*lane/s.cut.lanes, lo + (hi-lo)*(lane+1)/s.cut.lanes
}

func (s *recurrentStage) forwardWave(st *strand, lane, t, worker int) {
	from, to := s.lane(st, lane, t)
	w, d := &s.scratch[worker], &s.dirs[st.direction]
	for ; from < to; from += tileRows {
		end := min(to, from+tileRows)
		if s.predict {
			s.tileInRing(w, st, t, from, end)
		} else {
			s.tile(w, d, from, end)
			s.normsOf(w, d, from, end)
		}
		s.forwardTile(d, st.direction, from, end, w)
	}
}

// normsOf points w at what the norms of rows from … to-1 leave for the backward
// pass.
func (s *recurrentStage) normsOf(w *recurrentScratch, d *direction, from, to int) {
	p, g := s.padded, s.Gates
	if s.Cell == cellLayerNorm {
		w.hat, w.inverse, w.cHat = d.hat[from*g*p:to*g*p], d.inverse[from*(g+1):], d.cHat[from*p:to*p]
	}
}

// tile points w's tile at rows from … to-1 of direction d.
func (s *recurrentStage) tile(w *recurrentScratch, d *direction, from, to int) *tile {
	p, gp := s.padded, s.Gates*s.padded
	t := &w.tile
	t.n, t.p, t.axes = to-from, p, s.Axes
	t.gates = d.gates[from*gp : to*gp]
	t.c, t.tc = d.c[from*p:to*p], d.tc[from*p:to*p]
	t.cells = d.c
	s.outputsOf(t, d, from, to)
	t.peepI, t.peepO, t.peepF = d.peepI, d.peepO, d.peepF
	t.pred = t.pred[:0]
	for a := range s.Axes {
		t.pred = append(t.pred, s.sched.Pred[a][from:to])
	}
	s.before(w, d, from, to)
	return t
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
	w.rows(s.inputs(w, d, q, from, to, false), t.n, d.forward, gp, t.gates)

	switch s.Cell {
	case cellLayerNorm:
		hat, inverse, cHat := w.hat, w.inverse, w.cHat
		k.normalise(hat, t.gates, inverse, g+1, t.n, g, p, s.Hidden)
		k.activate(t.gates, hat, t.n, gp, d.gate)
		k.additive(t)
		k.normalise(cHat, t.c, inverse[g:], g+1, t.n, 1, p, s.Hidden)
		t.x = cHat
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
