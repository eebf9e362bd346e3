package grid

import (
	"fmt"
	"strings"
)

// Direction says from which corner a grid is scanned: bit d set means that axis
// d is scanned from its end, not set that it is scanned from index 0 up.
type Direction uint32

// ParseDirection reads one sign per axis, first axis first: "+" scans it from
// index 0 up, "-" from the end down. The only direction of a grid without axes
// is "". Errors wrap [ErrShape].
func ParseDirection(signs string, axes int) (Direction, error) {
	if axes < 0 || axes > MaxAxes {
		return 0, fmt.Errorf("direction %.40q: got a grid of %d axes, want 0 to %d: %w", signs, axes, MaxAxes, ErrShape)
	}
	var d Direction
	for i := range len(signs) {
		switch signs[i] {
		case '+':
		case '-':
			// A bit beyond the axes is refused below, by the number of signs.
			d |= 1 << i
		default:
			return 0, fmt.Errorf("direction %.40q: want only the signs + and -, one per axis, such as %q: %w",
				signs, Direction(0).Signs(axes), ErrShape)
		}
	}
	if len(signs) != axes {
		return 0, fmt.Errorf("direction %.40q: got %d signs, want %d, one per axis, such as %q: %w",
			signs, len(signs), axes, Direction(0).Signs(axes), ErrShape)
	}
	return d, nil
}

// Signs is the text that [ParseDirection] reads: one sign for each of the axes.
func (d Direction) Signs(axes int) string {
	var b strings.Builder
	for axis := range axes {
		if d.reversed(axis) {
			b.WriteByte('-')
		} else {
			b.WriteByte('+')
		}
	}
	return b.String()
}

// reversed says whether an axis is scanned from its end.
func (d Direction) reversed(axis int) bool { return d>>axis&1 == 1 }

// AllDirections lists the 2^axes corners that a grid can be scanned from, the
// first axis changing last: "++", "+-", "-+", "--". It is nil unless axes is in
// 0 … [MaxAxes].
func AllDirections(axes int) []Direction {
	if axes < 0 || axes > MaxAxes {
		return nil
	}
	all := make([]Direction, 1<<axes)
	for i := range all {
		for axis := range axes {
			all[i] |= Direction(i>>(axes-1-axis)&1) << axis
		}
	}
	return all
}

// Input gives the table [Rows+1] through which direction d reads its input and
// writes its output: what row r stands for lies at row Input(d)[r], the cell
// mirrored inside its own sample along every reversed axis. Entry Rows is Rows.
// The table is its own inverse. It is built at the first call and shared by all
// later ones, so it must not be changed; several goroutines may call Input.
// Bits of d beyond the axes do nothing.
func (s *Schedule) Input(d Direction) []int32 {
	d &= 1<<s.Axes - 1
	s.mu.Lock()
	table, ok := s.inputs[d]
	s.mu.Unlock()
	if ok {
		return table
	}
	// Not under the lock, so that directions can be made side by side.
	table = s.mirror(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.inputs[d]; ok {
		return other
	}
	if s.inputs == nil {
		s.inputs = make(map[Direction][]int32)
	}
	s.inputs[d] = table
	return table
}

// mirror builds the table of a direction.
func (s *Schedule) mirror(d Direction) []int32 {
	table := s.table()
	for l := range s.lines {
		// The line's first cell, mirrored, and the step from there that
		// mirrors a step along the line.
		from, step := l.cell, 1
		for axis, n := range s.Shapes[l.sample] {
			if d.reversed(axis) {
				from += (n - 1 - 2*l.at[axis]) * l.stride[axis]
			}
		}
		if s.Axes > 0 && d.reversed(s.Axes-1) {
			step = -1
		}
		for j := range l.n {
			table[s.Row[l.cell+j]] = s.Row[from+j*step]
		}
	}
	return table
}
