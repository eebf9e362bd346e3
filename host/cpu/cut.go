package cpu

import "mdlstm-gpu/host/grid"

// How a layer's work is cut. These follow from the problem alone: see doc.go.
const (
	tileRows   = 64 // rows of one product and its gates; gonum's own parallel limit
	laneRows   = 32 // mean rows of a wavefront that pay for a strand or a lane of their own
	maxStrands = 32
	minStrands = 8 // with fewer, wavefronts are cut into lanes
	maxSlots   = 8 // partial sums of weight gradients of a dense layer
)

// cut is a layer's strands, and how many lanes each has.
type cut struct {
	strands []strand
	groups  int // of samples: a strand for each and each direction
	lanes   int
}

// strand is one direction of one group of samples.
type strand struct {
	direction int
	group     int
	from, to  int // samples
	most      int // rows of its largest wavefront
	rings     [2]ring
	sums      []laneSums

	ring  cellRing  // of a layer that only predicts, or recomputes
	kept  []float32 // [stretches-1, most, P] cells of the last wavefront of each stretch
	store *store    // of the stretch in hand
}

// ring is what a wavefront leaves for its predecessors in the backward pass;
// two of them suffice, because predecessors are one wavefront away.
type ring struct {
	dh, dc []float32 // [rows, D·P]
}

// laneSums are the gradients of norms and peepholes that one lane adds up: in
// float32 over chunkRows rows, then in float64.
type laneSums struct {
	narrow []float32
	wide   []float64
	rows   int
}

func (l *laneSums) count(rows int) {
	if l.rows += rows; l.rows >= chunkRows {
		l.flush()
	}
}

func (l *laneSums) flush() {
	for i, v := range l.narrow {
		l.wide[i] += float64(v)
	}
	clear(l.narrow)
	l.rows = 0
}

// set cuts a schedule: width is D·P, the floats that a row leaves behind, sums
// how many each lane adds up.
func (c *cut) set(s *grid.Schedule, directions, width, sums int) {
	mean := s.Rows / s.Wavefronts
	groups := groupsOf(mean, s.Samples, directions)
	c.groups = groups
	c.lanes = lanesOf(mean, groups, directions)

	c.strands = growStrands(c.strands, directions*groups)
	for i := range c.strands {
		t := &c.strands[i]
		t.group, t.direction = i/directions, i%directions
		t.from, t.to = boundary(s, t.group, groups), boundary(s, t.group+1, groups)
		rows := 0
		for w := range s.Wavefronts {
			lo, hi := s.Range(w, t.from, t.to)
			rows = max(rows, hi-lo)
		}
		t.most = rows
		for k := range t.rings {
			t.rings[k].dh = grow(t.rings[k].dh, rows*width)
			t.rings[k].dc = grow(t.rings[k].dc, rows*width)
		}
		if len(t.sums) != c.lanes {
			t.sums = make([]laneSums, c.lanes)
		}
		for l := range t.sums {
			if len(t.sums[l].narrow) != sums {
				t.sums[l].narrow, t.sums[l].wide = make([]float32, sums), make([]float64, sums)
			}
		}
	}
}

// groupsOf is how many groups the samples of a layer make: mean is the rows of a
// wavefront on average.
func groupsOf(mean, samples, directions int) int {
	return max(1, min(mean/laneRows, samples, (maxStrands+directions-1)/directions))
}

// lanesOf is how many lanes each strand has.
func lanesOf(mean, groups, directions int) int {
	return max(1, min(mean/groups/laneRows, chunksOf(minStrands, directions*groups)))
}

// boundary is the first sample of a group: groups are contiguous and hold about
// as many cells each, however unequal the samples are.
func boundary(s *grid.Schedule, group, groups int) int {
	want := int32(int64(s.Rows) * int64(group) / int64(groups))
	lo, hi := 0, s.Samples
	for lo < hi {
		if mid := (lo + hi) / 2; s.First[mid] < want {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// growStrands keeps the buffers of strands that are used again.
func growStrands(s []strand, n int) []strand {
	for cap(s) < n {
		s = append(s[:cap(s)], strand{})
	}
	return s[:n]
}

func (c *cut) bytes() int64 {
	var n int64
	for _, t := range c.strands[:cap(c.strands)] {
		n += 4 * int64(cap(t.ring.cells)+cap(t.kept))
		for _, r := range t.rings {
			n += 4 * int64(cap(r.dh)+cap(r.dc))
		}
		for _, l := range t.sums {
			n += 12 * int64(len(l.narrow))
		}
	}
	return n
}

// slots hold the partial sums of a stage's weight gradients: slot k of set q
// adds up its own contiguous share of the row chunks.
type slots struct {
	size int // floats of one slot
	sets int
	n    int // slots of one set
	rows int
	sums []float32 // [sets, n, size]
}

func (s *slots) set(sets, rows int) {
	s.rows = rows
	s.make(sets, slotsOf(rows))
}

// slotsOf is how many slots add up so many rows.
func slotsOf(rows int) int { return max(1, min(maxSlots, chunks(rows))) }

// make makes room for n slots in each set.
func (s *slots) make(sets, n int) {
	s.sets, s.n = sets, n
	s.sums = grow(s.sums, sets*n*s.size)
}

func (s *slots) slot(set, k int) []float32 {
	at := (set*s.n + k) * s.size
	return s.sums[at : at+s.size]
}

// share is the range of row chunks that slot k adds up.
func (s *slots) share(k int) (from, to int) {
	c := chunks(s.rows)
	return k * c / s.n, (k + 1) * c / s.n
}

func (s *slots) bytes() int64 { return 4 * int64(cap(s.sums)) }
