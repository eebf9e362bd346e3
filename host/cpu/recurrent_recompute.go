package cpu

import "math"

// Recomputation: a layer that trains keeps of each cell only h, and of every
// stretch of wavefronts the last one's c. The backward pass goes through the
// stretches from the last to the first, computes each once more, this time with
// all its gates, and then its gradients. Time: one forward pass more. Memory: of
// the gates, one stretch of as many strands as there are workers. The numbers are
// those of a layer that keeps everything, to the bit, as long as weight gradients
// are made tile by tile in both (see fusedWeights).
//
//	forward   0 1 2 | 3 4 5 | 6 7 8          keeps c of 2 and 5
//	backward                  6 7 8 8 7 6    from c of 5
//	                  3 4 5 5 4 3            from c of 2
//	          0 1 2 2 1 0

// store holds one stretch of one strand.
type store struct {
	cells   cellRing  // of the stretch and the wavefront before it
	gates   []float32 // [stretch·most, G·P] gates, for layernorm the normalised ones
	inverse []float32 // [stretch·most, G+1]
}

// stretchOf is how many wavefronts a stretch has: as many that the cells kept of
// all stretches and the gates of one take the least together.
func stretchOf(wavefronts, gates int) int {
	return max(1, int(math.Sqrt(float64(wavefronts)/float64(gates+2))+0.5))
}

// bindStretches makes room for what is kept of the schedule bound last.
func (s *recurrentStage) bindStretches() {
	p := s.padded
	s.stretch = stretchOf(s.sched.Wavefronts, s.Gates)
	kept := (s.sched.Wavefronts - 1) / s.stretch
	most := 0
	for i := range s.cut.strands {
		st := &s.cut.strands[i]
		st.ring.make(2, st.most, p)
		st.kept = grow(st.kept, kept*st.most*p)
		most = max(most, st.most)
	}
	for len(s.stores) < min(len(s.cut.strands), s.stack.pool.workers) {
		s.stores = append(s.stores, store{})
	}
	for i := range s.stores {
		b := &s.stores[i]
		rows := s.stretch * most
		b.cells.make(s.stretch+1, most, p)
		b.gates = grow(b.gates, rows*s.Gates*p)
		if s.Cell == cellLayerNorm {
			b.inverse = grow(b.inverse, rows*(s.Gates+1))
		}
	}
}

// routeStretches lists the moves of the backward walk.
func (s *recurrentStage) routeStretches() {
	for end := s.sched.Wavefronts; end > 0; {
		begin := (end - 1) / s.stretch * s.stretch
		if begin > 0 {
			s.homeward = append(s.homeward, move{restore, begin - 1})
		}
		for t := begin; t < end; t++ {
			s.homeward = append(s.homeward, move{again, t})
		}
		for t := end - 1; t >= begin; t-- {
			s.homeward = append(s.homeward, move{back, t})
		}
		end = begin
	}
}

// keptOf returns the memory for the cells of wavefront t from a row on, nil when
// they are not kept.
func (s *recurrentStage) keptOf(st *strand, t, row int) []float32 {
	stretch := t / s.stretch
	if (t+1)%s.stretch != 0 || t+1 == s.sched.Wavefronts {
		return nil
	}
	first, _ := s.sched.Range(t, st.from, st.to)
	return st.kept[(stretch*st.most+row-first)*s.padded:]
}

// keepCells keeps the cells of w's tile if its wavefront is the last of a stretch.
func (s *recurrentStage) keepCells(w *recurrentScratch, st *strand, t, from int) {
	if to := s.keptOf(st, t, from); to != nil {
		copy(to, w.tile.c)
	}
}

// restoreCells fetches a lane's cells of the wavefront before a stretch.
func (s *recurrentStage) restoreCells(st *strand, lane, t int) {
	from, to := s.lane(st, lane, t)
	if from == to {
		return
	}
	first, _ := s.sched.Range(t, st.from, st.to)
	r, p := &st.store.cells, s.padded
	copy(r.cells[(r.start(t)+from-first)*p:(r.start(t)+to-first)*p], s.keptOf(st, t, from))
}

// gatesOfStore points w's tile, which begins at row from of wavefront t, at its
// strand's stretch.
func (s *recurrentStage) gatesOfStore(w *recurrentScratch, st *strand, t, from int) {
	b, p, g := st.store, s.padded, s.Gates
	first, _ := s.sched.Range(t, st.from, st.to)
	at := t%s.stretch*b.cells.most + from - first
	w.kept = b.gates[at*g*p : (at+w.tile.n)*g*p]
	if s.Cell == cellLayerNorm {
		w.inverse = b.inverse[at*(g+1):]
	}
}

// addInputGradient adds w's tile's part of ∂/∂x: directions take turns, and in
// each every row belongs to one tile.
func (s *recurrentStage) addInputGradient(w *recurrentScratch, d *direction, q, from int) {
	t, gp, k := &w.tile, s.Gates*s.padded, s.In
	w.dx = grow(w.dx, tileRows*k)
	w.rows(append(w.segments[:0], segment{data: t.gates, stride: gp, width: gp}), t.n, s.inputWeight.from(q*gp), k, w.dx)
	for i, row := range d.input[from : from+t.n] {
		s.e.kernels.add(s.in.grad[int(row)*k:][:k], w.dx[i*k:(i+1)*k])
	}
}
