package cpu

import (
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/batch"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// How a batch is cut into parts. These too follow from the problem alone.
const (
	// partBytes is about how much a step keeps of one part: more does not stay in
	// a cache until its gradients are made; of less, wavefronts are too short.
	partBytes = 10 << 20
	// weightsShare is how many bytes of a part share each byte of the parameters,
	// which every part goes through as weights and as gradients.
	weightsShare = 16
	// sharedBytes is how much a step must keep for a second worker to pay: with
	// less, what there is between two barriers takes no longer than waking it.
	sharedBytes = 3 << 19
	// maxRuns is how many sums the gradients of all parts are first added up in.
	maxRuns = 32
)

// part is a few neighbouring samples of a batch, which go through all layers and
// back before the next ones do.
type part struct {
	first   int // sample
	cell    int // its first, in the packed order of the batch
	outCell int
	begin   []int32 // [samples+1] where each sample begins, in packed cells of the part
	in, out *grid.Schedule
	input   []float32     // [T+1, K] in the order of rows, zeros behind them
	given   batch.Targets // in the order of output rows
	targets bool
	weight  float64
	loss    engine.Loss // of the last pass
	err     error
}

// bulk is about how many bytes a step keeps of samples where it keeps everything:
// outputs and gradients of the layers, gates and cells of the directions.
func (e *Engine) bulk(samples []grid.Shape) (bytes int64) {
	levels, _ := e.levels(samples)
	for i := range e.model.Stages {
		st := &e.model.Stages[i]
		floats := 2 * st.Out
		if st.Type == "mdlstm" {
			floats += len(st.Directions) * (st.Gates + 1) * st.Hidden
		}
		bytes += 4 * int64(floats) * levels[i+1].rows
	}
	return bytes
}

// partsOf is how many parts a batch of so many samples and bytes makes: a power of
// two where there are samples enough, for then usual batches fall into equal
// parts, and these to equal shares of the cores.
func (e *Engine) partsOf(samples int, bulk int64) int {
	size := max(partBytes, weightsShare*4*int64(e.model.Size()))
	if e.options.part > 0 {
		size = e.options.part
	}
	parts := 1
	for parts < samples && bulk*5 > size*7*int64(parts) { // 7/5: about √2
		parts *= 2
	}
	return min(parts, samples)
}

// cutSamples appends to begin where the parts of a batch begin, and the number of
// samples: at most n parts of about as many cells each.
func cutSamples(samples []grid.Shape, n int, begin []int) []int {
	rest, here := 0, 0 // cells from the last part on, and of that part so far
	for _, s := range samples {
		rest += s.Cells()
	}
	begin = append(begin, 0)
	for i, s := range samples {
		cells := s.Cells()
		if left := n - len(begin) + 1; here > 0 && left > 1 && (2*here+cells)*left > 2*rest {
			rest -= here
			here = 0
			begin = append(begin, i)
		}
		here += cells
	}
	return append(begin, len(samples))
}

// runsOf is in how many sums the gradients of so many parts are added up: run k
// has parts k·parts/runs up to (k+1)·parts/runs.
func runsOf(parts int) int { return min(parts, maxRuns) }

// makeRoom is for the part's targets.
func (t *part) makeRoom(m *nn.Model) {
	if m.Config.Loss == nn.CrossEntropy {
		t.given.Class = grow(t.given.Class, t.out.Rows)
	} else {
		t.given.Y = grow(t.given.Y, t.out.Rows*m.Units())
	}
}

// from makes a batch's pass one part's.
func (p pass) from(t *part) pass {
	p.first += int64(t.first)
	return p
}
