package grid

import (
	"fmt"
	"slices"
)

// The functions here check a schedule and its maps against coordinates that they
// work out by themselves, by division of packed cells; they use none of the
// package's iteration. The tests in reject_test.go show that they can fail.

// place is one existing cell: its sample and its coordinates there.
type place struct {
	sample int
	at     []int
}

// places lists every cell of a batch in packed order.
func places(samples []Shape) []place {
	var all []place
	for b, shape := range samples {
		cells := 1
		for _, n := range shape {
			cells *= n
		}
		for cell := range cells {
			at := make([]int, len(shape))
			for d, rest := len(shape)-1, cell; d >= 0; d-- {
				at[d], rest = rest%shape[d], rest/shape[d]
			}
			all = append(all, place{b, at})
		}
	}
	return all
}

// find is the packed cell of a place, or the number of cells if it is outside.
func find(all []place, sample int, at []int) int {
	i := slices.IndexFunc(all, func(p place) bool { return p.sample == sample && slices.Equal(p.at, at) })
	if i < 0 {
		return len(all)
	}
	return i
}

// with is a copy of a place's coordinates with change added along one axis.
func (p place) with(axis, change int) []int {
	at := slices.Clone(p.at)
	at[axis] += change
	return at
}

func total(at []int) int {
	sum := 0
	for _, x := range at {
		sum += x
	}
	return sum
}

// checkTable checks the length of a table, the range of its entries and the last
// one, which stands for the row of zeros.
func checkTable(name string, table []int32, length, last int) error {
	if len(table) != length {
		return fmt.Errorf("%s: length %d, want %d", name, len(table), length)
	}
	for i, entry := range table {
		if entry < 0 || int(entry) > last {
			return fmt.Errorf("%s[%d] = %d, want 0 … %d", name, i, entry, last)
		}
	}
	if int(table[length-1]) != last {
		return fmt.Errorf("%s: last entry %d, want %d", name, table[length-1], last)
	}
	return nil
}

// checkSchedule checks all that a schedule promises, tables on demand aside.
func checkSchedule(s *Schedule, samples []Shape) error {
	all := places(samples)
	T, waves := len(all), 0
	for _, p := range all {
		waves = max(waves, total(p.at)+1)
	}
	got := [...]int{s.Axes, s.Samples, s.Rows, s.Wavefronts}
	if want := [...]int{len(samples[0]), len(samples), T, waves}; got != want {
		return fmt.Errorf("axes, samples, rows, wavefronts: got %v, want %v", got, want)
	}
	if !slices.EqualFunc(s.Shapes, samples, Shape.Equal) {
		return fmt.Errorf("shapes: got %v, want %v", s.Shapes, samples)
	}
	if len(s.Pred) != s.Axes || len(s.Succ) != s.Axes {
		return fmt.Errorf("pred, succ: tables for %d and %d axes, want %d", len(s.Pred), len(s.Succ), s.Axes)
	}
	tables := map[string][]int32{"cell": s.Cell, "row": s.Row}
	for d := range s.Axes {
		tables[fmt.Sprintf("pred[%d]", d)] = s.Pred[d]
		tables[fmt.Sprintf("succ[%d]", d)] = s.Succ[d]
	}
	for name, table := range tables {
		if err := checkTable(name, table, T+1, T); err != nil {
			return err
		}
	}
	if err := checkTable("start", s.Start, waves*len(samples)+1, T); err != nil {
		return err
	}
	if err := checkTable("first", s.First, len(samples)+1, T); err != nil {
		return err
	}
	for cell, p := range all {
		if cell < int(s.First[p.sample]) || cell >= int(s.First[p.sample+1]) {
			return fmt.Errorf("first: sample %d has cells %d … %d, want cell %d among them",
				p.sample, s.First[p.sample], s.First[p.sample+1]-1, cell)
		}
	}

	seen := make([]bool, T)
	wavefront := make([]int, T)
	end := 0
	for t := range waves {
		for b := range samples {
			lo, hi := s.Range(t, b, b+1)
			if lo != end || hi < lo || hi > T {
				return fmt.Errorf("wavefront %d sample %d: rows %d … %d, want them to begin at %d", t, b, lo, hi-1, end)
			}
			end = hi
			for r := lo; r < hi; r++ {
				cell := int(s.Cell[r])
				if cell == T || seen[cell] {
					return fmt.Errorf("row %d: cell %d, want each cell once", r, cell)
				}
				seen[cell] = true
				wavefront[r] = t
				if int(s.Row[cell]) != r {
					return fmt.Errorf("row %d: its cell %d is at row %d", r, cell, s.Row[cell])
				}
				if p := all[cell]; p.sample != b || total(p.at) != t {
					return fmt.Errorf("row %d of wavefront %d sample %d: got cell %v of sample %d", r, t, b, p.at, p.sample)
				}
				if r > lo && s.Cell[r-1] >= s.Cell[r] {
					return fmt.Errorf("row %d: cell %d behind cell %d, want row-major order", r, cell, s.Cell[r-1])
				}
			}
		}
	}
	if end != T {
		return fmt.Errorf("wavefronts end at row %d, want %d", end, T)
	}

	for r := range T {
		p := all[s.Cell[r]]
		for d := range s.Axes {
			pred, succ := int(s.Pred[d][r]), int(s.Succ[d][r])
			if want := find(all, p.sample, p.with(d, -1)); int(s.Cell[pred]) != want {
				return fmt.Errorf("pred[%d][%d]: cell %d, want %d", d, r, s.Cell[pred], want)
			}
			if want := find(all, p.sample, p.with(d, 1)); int(s.Cell[succ]) != want {
				return fmt.Errorf("succ[%d][%d]: cell %d, want %d", d, r, s.Cell[succ], want)
			}
			if pred < T && (wavefront[pred] != wavefront[r]-1 || int(s.Succ[d][pred]) != r) {
				return fmt.Errorf("pred[%d][%d] = %d: wavefront %d, succ %d", d, r, pred, wavefront[pred], s.Succ[d][pred])
			}
			if succ < T && int(s.Pred[d][succ]) != r {
				return fmt.Errorf("succ[%d][%d] = %d: pred %d", d, r, succ, s.Pred[d][succ])
			}
		}
	}
	return nil
}

// checkInput checks the table of a direction on a schedule that is right.
func checkInput(s *Schedule, direction Direction, table []int32) error {
	if err := checkTable("input", table, s.Rows+1, s.Rows); err != nil {
		return err
	}
	all := places(s.Shapes)
	for r := range s.Rows {
		if int(table[table[r]]) != r {
			return fmt.Errorf("input[%d] = %d, input[%d] = %d: not an involution", r, table[r], table[r], table[table[r]])
		}
		p := all[s.Cell[r]]
		want := slices.Clone(p.at)
		for d, n := range s.Shapes[p.sample] {
			if direction>>d&1 == 1 {
				want[d] = n - 1 - want[d]
			}
		}
		if got := int(s.Cell[table[r]]); got != find(all, p.sample, want) {
			return fmt.Errorf("input[%d]: sample %d %v reads cell %d, want %v", r, p.sample, p.at, got, want)
		}
	}
	return nil
}

// checkWindow checks a map on a schedule that is right.
func checkWindow(s *Schedule, m *WindowMap, window []int) error {
	if !slices.Equal(m.Window, window) {
		return fmt.Errorf("window %v, want %v", m.Window, window)
	}
	coarse := make([]Shape, s.Samples)
	for b, shape := range s.Shapes {
		coarse[b] = make(Shape, s.Axes)
		for d, n := range shape {
			for coarse[b][d]*window[d] < n {
				coarse[b][d]++
			}
		}
	}
	if err := checkSchedule(m.Next, coarse); err != nil {
		return fmt.Errorf("next: %w", err)
	}
	offsets := places([]Shape{window})
	if len(m.Source) != len(offsets) {
		return fmt.Errorf("source: %d offsets, want %d", len(m.Source), len(offsets))
	}
	for o, table := range m.Source {
		if err := checkTable(fmt.Sprintf("source[%d]", o), table, m.Next.Rows+1, s.Rows); err != nil {
			return err
		}
	}
	if err := checkTable("target", m.Target, s.Rows+1, m.Next.Rows); err != nil {
		return err
	}
	if len(m.Offset) != s.Rows {
		return fmt.Errorf("offset: length %d, want %d", len(m.Offset), s.Rows)
	}

	fine, next := places(s.Shapes), places(coarse)
	seen := make([]int, s.Rows+1)
	for r := range m.Next.Rows {
		p := next[m.Next.Cell[r]]
		for o, offset := range offsets {
			at := make([]int, s.Axes)
			for d, w := range window {
				at[d] = p.at[d]*w + offset.at[d]
			}
			source := m.Source[o][r]
			seen[source]++
			if got, want := int(s.Cell[source]), find(fine, p.sample, at); got != want {
				return fmt.Errorf("source[%d][%d]: cell %d, want %d", o, r, got, want)
			}
			if int(source) < s.Rows && (int(m.Target[source]) != r || int(m.Offset[source]) != o) {
				return fmt.Errorf("row %d: at target %d offset %d, want %d and %d", source, m.Target[source], m.Offset[source], r, o)
			}
		}
	}
	for r, count := range seen[:s.Rows] {
		if count != 1 {
			return fmt.Errorf("row %d is read %d times, want once", r, count)
		}
	}
	return nil
}

// checkSum checks a map on a schedule that is right.
func checkSum(s *Schedule, m *SumMap, axis int) error {
	if m.Axis != axis {
		return fmt.Errorf("axis %d, want %d", m.Axis, axis)
	}
	flat := make([]Shape, s.Samples)
	for b, shape := range s.Shapes {
		flat[b] = slices.Concat(shape[:axis], shape[axis+1:])
	}
	if err := checkSchedule(m.Next, flat); err != nil {
		return fmt.Errorf("next: %w", err)
	}
	if err := checkTable("start", m.Start, m.Next.Rows+1, s.Rows); err != nil {
		return err
	}
	if err := checkTable("target", m.Target, s.Rows+1, m.Next.Rows); err != nil {
		return err
	}
	if len(m.Source) != s.Rows {
		return fmt.Errorf("source: length %d, want %d", len(m.Source), s.Rows)
	}

	fine, next := places(s.Shapes), places(flat)
	for r := range m.Next.Rows {
		p := next[m.Next.Cell[r]]
		var want []int32
		for index := range s.Shapes[p.sample][axis] {
			want = append(want, s.Row[find(fine, p.sample, slices.Insert(slices.Clone(p.at), axis, index))])
		}
		lo, hi := m.Start[r], m.Start[r+1]
		if lo > hi || !slices.Equal(m.Source[lo:hi], want) {
			return fmt.Errorf("row %d: sources %d … %d of %v, want %v", r, lo, hi-1, m.Source, want)
		}
		for _, source := range want {
			if int(m.Target[source]) != r {
				return fmt.Errorf("target[%d] = %d, want %d", source, m.Target[source], r)
			}
		}
	}
	return nil
}
