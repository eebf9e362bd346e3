package gpu

import (
	"math"
	"slices"

	"mdlstm-gpu/host/grid"
)

// room is what a plan has on one grid.
type room struct {
	rows    int // C
	waves   int
	samples int
	line    int // rows of the largest wavefront; 0: any
}

func (r room) holds(s *grid.Schedule) bool {
	return s.Rows <= r.rows && s.Wavefronts <= r.waves && s.Samples <= r.samples && (r.line == 0 || waveOf(s) <= r.line)
}

// with is room for both.
func (r room) with(o room) room {
	return room{max(r.rows, o.rows), max(r.waves, o.waves), max(r.samples, o.samples), max(r.line, o.line)}
}

// roomOf is the room that one schedule takes.
func roomOf(s *grid.Schedule) room { return room{s.Rows, s.Wavefronts, s.Samples, waveOf(s)} }

// waveOf is the rows of a schedule's largest wavefront.
func waveOf(s *grid.Schedule) (most int) {
	for t := range s.Wavefronts {
		from, to := s.Range(t, 0, s.Samples)
		most = max(most, to-from)
	}
	return most
}

// roomFor is the room that samples take, without their schedule.
func roomFor(shapes []grid.Shape) room {
	r := room{samples: len(shapes)}
	for _, s := range shapes {
		waves := 1
		for _, n := range s {
			waves += n - 1
		}
		r.rows += s.Cells()
		r.waves = max(r.waves, waves)
	}
	return r
}

// waveFor bounds the rows of the largest wavefront of samples, exactly for equal
// sizes of two axes: the product of all sides but the longest.
func waveFor(shapes []grid.Shape) (n int) {
	for _, s := range shapes {
		if len(s) == 0 {
			n++
			continue
		}
		n += s.Cells() / slices.Max(s)
	}
	return n
}

// grow is n·to/of, rounded up.
func grow(n, of, to int) int { return int((int64(n)*int64(to) + int64(of) - 1) / int64(of)) }

// scaled is the room of a deeper grid when the first has more than a batch of
// these samples takes.
func (r room) scaled(first, capacity room) room {
	return room{
		rows:    min(grow(r.rows, first.rows, capacity.rows), capacity.rows),
		waves:   min(grow(r.waves, first.waves, capacity.waves), capacity.waves),
		samples: capacity.samples,
	}
}

// largestWave is the most rows that a wavefront of any batch within the room may
// have. Cells of one sum of coordinates are told apart by all axes but the
// longest, so with sides n_d they are at most the product of the others, which
// for Σ (n_d - 1) = waves - 1 is largest when all are equal.
func (r room) largestWave(axes int) int {
	if axes == 0 {
		return min(r.samples, r.rows)
	}
	side := float64(r.waves-1)/float64(axes) + 1
	return int(min(float64(r.rows), float64(r.samples)*math.Ceil(math.Pow(side, float64(axes-1)))))
}

// level is a grid of a plan and the tables that all its stages share.
type level struct {
	room
	axes   int
	shapes []grid.Shape   // for which there is room in proportion; nil behind a view
	sched  *grid.Schedule // of the batch loaded last

	dims  array // int32 [4] rows, wavefronts, samples, 0
	walks bool  // an mdlstm layer works here, so there is the rest
	wave  array // int32 [waves+1]
	start array // int32 [waves, samples+1]
	pred  array // int32 [D, rows]
	succ  array
}

// limitLine gives the level room for the largest wavefront of samples like those
// that the plan is made for.
func (l *level) limitLine() {
	n := l.samples // lines, behind a view
	if l.shapes != nil {
		n = grow(waveFor(l.shapes), roomFor(l.shapes).rows, l.rows)
	}
	l.line = min(max(l.line, n), l.largestWave(l.axes))
}

// walk takes the tables of an mdlstm layer.
func (l *level) walk(inputs *block) {
	if l.walks {
		return
	}
	l.walks = true
	l.wave = inputs.take(l.waves + 1)
	l.start = inputs.take(l.waves, l.samples+1)
	l.pred, l.succ = inputs.take(l.axes, l.rows), inputs.take(l.axes, l.rows)
}

// write fills the level's tables for the schedule that is bound.
func (l *level) write(host []int32) {
	s := l.sched
	copy(part(l.dims, host), []int32{int32(s.Rows), int32(s.Wavefronts), int32(s.Samples), 0})
	if !l.walks {
		return
	}
	wave, start := part(l.wave, host), part(l.start, host)
	for t := range l.waves + 1 {
		wave[t] = int32(s.Rows)
		if t < s.Wavefronts {
			wave[t] = s.Start[t*s.Samples]
		}
		if t == l.waves {
			break
		}
		line := start[t*(l.samples+1):][:l.samples+1]
		for b := range line {
			line[b] = int32(s.Rows)
			if t < s.Wavefronts {
				line[b] = s.Start[t*s.Samples+min(b, s.Samples)]
			}
		}
	}
	for d := range s.Axes {
		l.lead(part(l.pred, host)[d*l.rows:], s.Pred[d][:s.Rows])
		l.lead(part(l.succ, host)[d*l.rows:], s.Succ[d][:s.Rows])
	}
}

// lead copies a table of rows of this level; none becomes the row of zeros.
func (l *level) lead(dst, src []int32) {
	none, zero := int32(l.sched.Rows), int32(l.rows)
	for i, row := range src {
		if row == none {
			row = zero
		}
		dst[i] = row
	}
}
