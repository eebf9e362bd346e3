package grid

// line is one run of neighbouring packed cells: those of one sample that differ
// only in their last coordinate. Tables are filled line by line, which leaves a
// plain loop over n cells inside and the arithmetic of coordinates outside.
type line struct {
	sample int
	cell   int   // packed cell at which the line begins
	n      int   // cells in the line, 1 where there are no axes
	sum    int   // sum of the coordinates of its first cell: its wavefront
	at     []int // [Axes] coordinates of its first cell, so the last one is 0
	stride []int // [Axes] distance in packed cells of one step along an axis
}

// lines yields every line in packed order. The line and its slices are reused:
// they hold until the next one.
func (s *Schedule) lines(yield func(l *line) bool) {
	l := &line{at: make([]int, s.Axes), stride: make([]int, s.Axes)}
	for b, shape := range s.Shapes {
		l.sample, l.n = b, 1
		if s.Axes > 0 {
			l.n = shape[s.Axes-1]
		}
		stride := 1
		for d := s.Axes - 1; d >= 0; d-- {
			l.stride[d] = stride
			stride *= shape[d]
		}
		for more := true; more; more = l.advance(shape) {
			if !yield(l) {
				return
			}
			l.cell += l.n
		}
	}
}

// advance steps the coordinates to the next line of the sample, like an
// odometer. After the last line all are 0 again, and it returns false.
func (l *line) advance(shape Shape) bool {
	for d := len(shape) - 2; d >= 0; d-- {
		l.at[d]++
		l.sum++
		if l.at[d] < shape[d] {
			return true
		}
		l.sum -= shape[d]
		l.at[d] = 0
	}
	return false
}
