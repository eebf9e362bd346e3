package gpu

import (
	"math"

	"mdlstm-gpu/host/cuda"
)

// Stretch is how an mdlstm layer that recomputes is walked. Forward keeps h, and
// of each stretch of wavefronts the last one's c. The backward pass goes through
// the stretches from the last to the first, runs each forward once more, this
// time for all that its gradients need, then backward, and adds its part of the
// weights' gradients:
//
//	forward   0 1 2 | 3 4 5 | 6 7 8          keeps c of 2 and 5
//	backward                  6 7 8 8 7 6    from c of 5
//	                  3 4 5 5 4 3            from c of 2
//	          0 1 2 2 1 0
//
// So most arrays of a layer have the rows of one stretch, X, in place of C (see
// [RecurrentArgs] and kernels/wave.cuh):
//
//	Gates, TanhCell, Hat, CellHat, Inverse   [R, X, …]
//	Cell                                     [R, (N-1)·L + X + 1, H], the c that are kept first
//
// The zero value is one stretch of everything.
//
// With [BF16] a layer goes through stretches, too, but keeps of every row in
// bfloat16 what its arrays hold after forward, and puts it back there before
// backward: float32 is for the stretch at hand only.
type Stretch struct {
	Waves int // wavefronts of a stretch but the last; 0: all
	Count int // N
	Rows  int // X, the most rows of a stretch
	Line  int // L, the most rows of a wavefront
}

// stretchWaves is how many of so many wavefronts a stretch has. Memory alone would
// have √(W/words) of W: the cells kept of all and the arrays of one take the least
// together then. Twice as many cost a quarter of that more, and halve the launches
// that each stretch adds. words are the values a row and hidden unit in the arrays
// of a stretch.
func stretchWaves(waves, words int) int {
	return min(max(1, int(2*math.Sqrt(float64(waves)/float64(words))+0.5)), waves)
}

// newStretch cuts the wavefronts of a layer into stretches, and has room for those
// of each smaller batch, too, when they are cut for it. line is L.
func newStretch(s *RecurrentShape, line, words int, eachBatch bool) Stretch {
	waves := stretchWaves(s.Wavefronts, words)
	x := Stretch{Waves: waves, Count: blocksOf(s.Wavefronts, waves), Line: line}
	for w := 1; eachBatch && w < s.Wavefronts; w++ {
		x.Count = max(x.Count, blocksOf(w, stretchWaves(w, words)))
	}
	x.Rows = s.Rows
	if x.Count > 1 && waves < s.Rows/line {
		x.Rows = waves * line
	}
	return x
}

// inStretches says whether layers that train have the arrays of a stretch only.
func (e *Engine) inStretches() bool { return e.options.Recompute || e.options.Precision == BF16 }

// kept is how many wavefronts' c are kept.
func (x *Stretch) kept() int { return max(x.Count, 1) - 1 }

// stretch is the wavefronts begin … end-1 of stretch i. The last one has what is
// left, of a batch nothing.
func (s *RecurrentShape) stretch(i int) (begin, end int) {
	if s.Stretch.Waves == 0 {
		return 0, s.Wavefronts
	}
	begin = min(i*s.Stretch.Waves, s.Wavefronts)
	if i == s.Stretch.Count-1 {
		return begin, s.Wavefronts
	}
	return begin, min(begin+s.Stretch.Waves, s.Wavefronts)
}

// room is how many rows the arrays of a stretch have.
func (s *RecurrentShape) room() int {
	if s.Stretch.Waves == 0 {
		return s.Rows
	}
	return s.Stretch.Rows
}

// line is L, the most rows of a wavefront.
func (s *RecurrentShape) line() int {
	if s.Stretch.Waves == 0 {
		return s.Wave
	}
	return s.Stretch.Line
}

// arguments are the kernels' base, room, line, kept and slot for the stretch of
// wavefront t.
func (x *Stretch) arguments(s *RecurrentShape, t int) []cuda.Argument {
	i := 0
	if x.Waves > 0 {
		i = min(t/x.Waves, x.Count-1)
	}
	return []cuda.Argument{i32(i * x.Waves), i32(s.room()), i32(s.line()), i32(x.kept()), i32(i - 1)}
}

// check wants sizes that go together.
func (x *Stretch) check(s *RecurrentShape, c *sizes) *sizes {
	if x.Waves == 0 {
		return c
	}
	return c.positive("wavefronts of a stretch", x.Waves).within("stretches", x.Count, blocksOf(s.Wavefronts, x.Waves), math.MaxInt32).
		within("rows of a stretch", x.Rows, 1, s.Rows).within("rows of a wavefront", x.Line, 1, s.Rows).
		product("R·kept rows", s.Directions, x.kept()*x.Line+x.Rows+1)
}

// LeftRows is how many rows DHPred and DCPred have a direction, but for the row of
// zeros: those of two wavefronts, or none where rows leave it on chip.
func (r *Recurrent) LeftRows() int {
	if r.sweeps && r.shape.Stretch.kept() == 0 {
		return 0
	}
	return 2 * r.shape.line()
}

// SumsLength is the number of floats of RecurrentArgs.Sums: what the threads of a
// sweep have summed up of the gradients of norms and peepholes, from stretch to
// stretch.
func (r *Recurrent) SumsLength() int {
	if !r.sweeps || r.shape.Stretch.kept() == 0 || r.sumsOf() == 0 {
		return 0
	}
	return r.shape.Directions * r.shape.Samples * r.sumsOf() / r.shape.Hidden * sweepThreads
}
