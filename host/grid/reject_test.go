package grid

import "testing"

// twoSamples is the batch drawn in the package's documentation.
var twoSamples = []Shape{{2, 2}, {1, 3}}

// TestCheckScheduleRejects feeds the checker one wrong schedule after another.
func TestCheckScheduleRejects(t *testing.T) {
	tests := []struct {
		name  string
		wrong func(s *Schedule)
	}{
		{"axes", func(s *Schedule) { s.Axes = 1 }},
		{"rows", func(s *Schedule) { s.Rows-- }},
		{"samples", func(s *Schedule) { s.Samples++ }},
		{"wavefronts", func(s *Schedule) { s.Wavefronts++ }},
		{"shapes swapped", func(s *Schedule) { s.Shapes[0], s.Shapes[1] = s.Shapes[1], s.Shapes[0] }},
		{"first", func(s *Schedule) { s.First[1]++ }},
		{"start moved", func(s *Schedule) { s.Start[1]++ }},
		{"start descending", func(s *Schedule) { s.Start[3] = 0 }},
		{"start too short", func(s *Schedule) { s.Start = s.Start[:len(s.Start)-1] }},
		{"cell twice", func(s *Schedule) { s.Cell[3] = s.Cell[2] }},
		{"cell out of range", func(s *Schedule) { s.Cell[3] = -1 }},
		{"row not the inverse", func(s *Schedule) { s.Row[1], s.Row[2] = s.Row[2], s.Row[1] }},
		{"not row-major", func(s *Schedule) {
			s.Cell[2], s.Cell[3] = s.Cell[3], s.Cell[2]
			s.Row[s.Cell[2]], s.Row[s.Cell[3]] = 2, 3
		}},
		{"sentinel of cell", func(s *Schedule) { s.Cell[s.Rows] = 0 }},
		{"sentinel of row", func(s *Schedule) { s.Row[s.Rows] = 0 }},
		{"pred of another axis", func(s *Schedule) { s.Pred[0], s.Pred[1] = s.Pred[1], s.Pred[0] }},
		{"pred missing", func(s *Schedule) { s.Pred[0][3] = int32(s.Rows) }},
		{"pred at an edge", func(s *Schedule) { s.Pred[0][0] = 1 }},
		{"pred in another sample", func(s *Schedule) { s.Pred[1][2] = 1 }},
		{"succ missing", func(s *Schedule) { s.Succ[1][0] = int32(s.Rows) }},
		{"succ of another axis", func(s *Schedule) { s.Succ[0], s.Succ[1] = s.Succ[1], s.Succ[0] }},
		{"sentinel of succ", func(s *Schedule) { s.Succ[1][s.Rows] = 0 }},
		{"a table missing", func(s *Schedule) { s.Succ = s.Succ[:1] }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSchedule(t, twoSamples...)
			tt.wrong(s)
			if err := checkSchedule(s, twoSamples); err == nil {
				t.Error("a wrong schedule passed")
			}
		})
	}
}

func TestCheckInputRejects(t *testing.T) {
	s := newSchedule(t, twoSamples...)
	tests := []struct {
		name  string
		wrong func(table []int32)
	}{
		{"two equal entries", func(table []int32) { table[0] = table[2] }},
		{"another direction", func(table []int32) { copy(table, s.Input(0b01)) }},
		{"another sample", func(table []int32) { table[0], table[1], table[5], table[6] = 6, 5, 1, 0 }},
		{"sentinel", func(table []int32) { table[s.Rows] = 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := append([]int32{}, s.Input(0b11)...)
			tt.wrong(table)
			if err := checkInput(s, 0b11, table); err == nil {
				t.Error("a wrong table passed")
			}
		})
	}
}

func TestCheckWindowRejects(t *testing.T) {
	tests := []struct {
		name  string
		wrong func(m *WindowMap)
	}{
		{"window", func(m *WindowMap) { m.Window[0] = 1 }},
		{"a schedule too fine", func(m *WindowMap) { m.Next, _ = New(twoSamples) }},
		{"offsets column-major", func(m *WindowMap) { m.Source[1], m.Source[2] = m.Source[2], m.Source[1] }},
		{"an offset missing", func(m *WindowMap) { m.Source = m.Source[:3] }},
		{"beyond the edge", func(m *WindowMap) { m.Source[3][1] = 4 }},
		{"row lost", func(m *WindowMap) { m.Source[0][2] = 7 }},
		{"sentinel of source", func(m *WindowMap) { m.Source[0][3] = 0 }},
		{"target", func(m *WindowMap) { m.Target[6] = 1 }},
		{"sentinel of target", func(m *WindowMap) { m.Target[7] = 0 }},
		{"offset", func(m *WindowMap) { m.Offset[6] = 1 }},
		{"offsets too short", func(m *WindowMap) { m.Offset = m.Offset[:6] }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSchedule(t, twoSamples...)
			m, err := s.Window([]int{2, 2})
			if err != nil {
				t.Fatal(err)
			}
			tt.wrong(m)
			if err := checkWindow(s, m, []int{2, 2}); err == nil {
				t.Error("a wrong map passed")
			}
		})
	}
}

func TestCheckSumRejects(t *testing.T) {
	tests := []struct {
		name  string
		wrong func(m *SumMap)
	}{
		{"axis", func(m *SumMap) { m.Axis = 1 }},
		{"schedule of the other axis", func(m *SumMap) { m.Next, _ = New([]Shape{{2}, {1}}) }},
		{"start", func(m *SumMap) { m.Start[1] = 1 }},
		{"sentinel of start", func(m *SumMap) { m.Start[5] = 6 }},
		{"descending along the axis", func(m *SumMap) { m.Source[0], m.Source[1] = m.Source[1], m.Source[0] }},
		{"a source twice", func(m *SumMap) { m.Source[0] = m.Source[1] }},
		{"sources too short", func(m *SumMap) { m.Source = m.Source[:6] }},
		{"target", func(m *SumMap) { m.Target[3] = 1 }},
		{"sentinel of target", func(m *SumMap) { m.Target[7] = 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSchedule(t, twoSamples...)
			m, err := s.Sum(0)
			if err != nil {
				t.Fatal(err)
			}
			tt.wrong(m)
			if err := checkSum(s, m, 0); err == nil {
				t.Error("a wrong map passed")
			}
		})
	}
}
