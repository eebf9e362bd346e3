package cpu

// A cell's predecessors all lie in the wavefront before its own, so of a layer
// that need not keep everything the cells c of a few wavefronts of a strand are
// enough. The gates of such a layer live for one tile, in the worker's scratch.

// cellRing holds the cells of the wavefronts of a strand visited last: wavefront t
// begins at row (t mod waves)·most. A row of zeros lies behind all.
type cellRing struct {
	waves, most int
	cells       []float32 // [waves·most+1, P]
}

func (r *cellRing) make(waves, most, p int) {
	r.waves, r.most = waves, most
	r.cells = grow(r.cells, (waves*most+1)*p)
	clear(r.cells[waves*most*p:])
}

// start is where wavefront t begins.
func (r *cellRing) start(t int) int { return t % r.waves * r.most }

// tileScratch is one tile's memory for what no later tile reads.
type tileScratch struct {
	gates    []float32 // [tileRows, G·P]
	tc, cHat []float32 // [tileRows, P] tanh of the cell; normalised cell
	inverse  []float32 // [tileRows, G+1]
	pred     [][]int32 // [D][tileRows] predecessors in the ring
	before   [][]int32 // [D][tileRows] their rows in h
}

func newTileScratch(axes, gates, p int) tileScratch {
	s := tileScratch{
		gates: make([]float32, tileRows*gates*p), inverse: make([]float32, tileRows*(gates+1)),
		tc: make([]float32, tileRows*p), cHat: make([]float32, tileRows*p),
	}
	for range axes {
		s.pred, s.before = append(s.pred, make([]int32, tileRows)), append(s.before, make([]int32, tileRows))
	}
	return s
}

// tileInRing points w's tile, but for its gates, at rows from … to-1 of wavefront
// t, whose cells and whose predecessors' are in r.
func (s *recurrentStage) tileInRing(w *recurrentScratch, st *strand, r *cellRing, t, from, to int) {
	p, n := s.padded, to-from
	d, own, tile := &s.dirs[st.direction], &w.own, &w.tile
	first, _ := s.sched.Range(t, st.from, st.to)
	here := r.start(t) - first // added to a row of t: its place in the ring
	behind := 0
	if t > 0 {
		first, _ = s.sched.Range(t-1, st.from, st.to)
		behind = r.start(t-1) - first
	}
	tile.n, tile.p, tile.axes = n, p, s.Axes
	tile.c, tile.cells = r.cells[(here+from)*p:(here+to)*p], r.cells
	s.outputsOf(tile, d, from, to)
	tile.peepI, tile.peepO, tile.peepF = d.peepI, d.peepO, d.peepF
	tile.pred = tile.pred[:0]
	for a := range s.Axes {
		pred, before := own.pred[a][:n], own.before[a][:n]
		for i, row := range s.sched.Pred[a][from:to] {
			before[i] = d.input[row]
			pred[i] = int32(r.waves * r.most)
			if int(row) < s.sched.Rows {
				pred[i] = row + int32(behind)
			}
		}
		tile.pred, w.before[a] = append(tile.pred, pred), before
	}
}

// gatesOfTile points w's tile at the worker's own memory for gates.
func (s *recurrentStage) gatesOfTile(w *recurrentScratch) {
	w.kept, w.inverse = w.own.gates[:w.tile.n*s.Gates*s.padded], w.own.inverse
}
