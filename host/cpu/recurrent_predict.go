package cpu

// A layer that only predicts keeps of a row what later rows and the next layer
// read: its outputs. Gates and norms live for one tile, in the worker's scratch.
// A cell's predecessors all lie in the wavefront before its own, so the cells c
// of two wavefronts of a strand are enough: wavefront t has the rows from
// (t mod 2)·most on in a ring of 2·most rows, with a row of zeros behind.

// predictScratch is one tile's memory, where no backward pass will read it.
type predictScratch struct {
	gates, tc []float32 // [tileRows, G·P], [tileRows, P]
	inverse   []float32 // [tileRows, G+1]
	pred      [][]int32 // [D][tileRows] predecessors in the ring
	before    [][]int32 // [D][tileRows] their rows in h
}

func newPredictScratch(axes, gates, p int) predictScratch {
	s := predictScratch{
		gates: make([]float32, tileRows*gates*p), tc: make([]float32, tileRows*p), inverse: make([]float32, tileRows*(gates+1)),
	}
	for range axes {
		s.pred, s.before = append(s.pred, make([]int32, tileRows)), append(s.before, make([]int32, tileRows))
	}
	return s
}

// bindRings cuts the schedule bound last and makes room for the rings.
func (s *recurrentStage) bindRings() {
	s.cut.set(s.sched, len(s.dirs), 0, 0)
	for i := range s.cut.strands {
		st := &s.cut.strands[i]
		n := (2*st.most + 1) * s.padded
		st.cells = grow(st.cells, n)
		clear(st.cells[n-s.padded:])
	}
}

// tileInRing points w's tile at rows from … to-1 of wavefront t.
func (s *recurrentStage) tileInRing(w *recurrentScratch, st *strand, t, from, to int) {
	p, n := s.padded, to-from
	d, own, tile := &s.dirs[st.direction], &w.own, &w.tile
	first, _ := s.sched.Range(t, st.from, st.to)
	here := t%2*st.most - first // added to a row of t: its place in the ring
	behind := 0
	if t > 0 {
		first, _ = s.sched.Range(t-1, st.from, st.to)
		behind = (t-1)%2*st.most - first
	}
	tile.n, tile.p, tile.axes = n, p, s.Axes
	tile.gates = own.gates[:n*s.Gates*p]
	tile.c, tile.tc = st.cells[(here+from)*p:(here+to)*p], own.tc[:n*p]
	tile.cells = st.cells
	s.outputsOf(tile, d, from, to)
	tile.peepI, tile.peepO, tile.peepF = d.peepI, d.peepO, d.peepF
	tile.pred = tile.pred[:0]
	for a := range s.Axes {
		pred, before := own.pred[a][:n], own.before[a][:n]
		for i, row := range s.sched.Pred[a][from:to] {
			before[i] = d.input[row]
			pred[i] = int32(2 * st.most)
			if int(row) < s.sched.Rows {
				pred[i] = row + int32(behind)
			}
		}
		tile.pred, w.before[a] = append(tile.pred, pred), before
	}
	w.hat, w.inverse, w.cHat = tile.gates, own.inverse, tile.tc // normalised in place
}
