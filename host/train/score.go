package train

import (
	"math"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
)

// Score is what [Evaluate] measures.
type Score struct {
	Loss engine.Loss
	// Cells counts, for cross_entropy, the output cells of each class (row) by
	// the class whose output is the largest (column; of equal ones the first);
	// nil for other losses. Cells that the loss ignores do not count.
	Cells [][]int64
	// Labels counts samples likewise, where the source names a background: the
	// class of a sample is that of its cells that are not background, the answer
	// the class other than background with the largest sum of outputs over all
	// cells (Graves 2007). Samples of nothing but background do not count.
	Labels [][]int64
}

// CellError is the share of cells whose class is not the answer; NaN when no
// cell counts.
func (s Score) CellError() float64 { return wrong(tally(s.Cells)) }

// LabelError is the share of samples whose class is not the answer; NaN when
// samples have none.
func (s Score) LabelError() float64 { return wrong(tally(s.Labels)) }

// IoU is the intersection of a class over the union of it and what was answered
// with it (the Jaccard index); NaN when both are empty.
func (s Score) IoU(class int) float64 {
	both, either := s.Cells[class][class], -s.Cells[class][class]
	for i, row := range s.Cells {
		either += row[class] + s.Cells[class][i]
	}
	if either == 0 {
		return math.NaN()
	}
	return float64(both) / float64(either)
}

// MeanIoU is the mean of IoU over the classes that occur or are answered; NaN when
// no cell counts.
func (s Score) MeanIoU() float64 {
	sum, n := 0.0, 0.0
	for class := range s.Cells {
		if iou := s.IoU(class); !math.IsNaN(iou) {
			sum, n = sum+iou, n+1
		}
	}
	return sum / n
}

// tally sums the counts of the diagonal and all counts.
func tally(counts [][]int64) (right, all float64) {
	for i, row := range counts {
		right += float64(row[i])
		for _, n := range row {
			all += float64(n)
		}
	}
	return right, all
}

// wrong is the share of what is not right; NaN of nothing.
func wrong(right, all float64) float64 {
	if all == 0 {
		return math.NaN()
	}
	return (all - right) / all
}

func newScore(m *nn.Model, spec task.Spec) Score {
	var s Score
	if m.Config.Loss == nn.CrossEntropy {
		s.Cells = square(m.Units())
		if spec.Background != nil {
			s.Labels = square(m.Units())
		}
	}
	return s
}

func square(n int) [][]int64 {
	rows := make([][]int64, n)
	for i := range rows {
		rows[i] = make([]int64, n)
	}
	return rows
}

// count adds the answers for one sample: outputs [cells, units] and its classes.
func (s *Score) count(outputs []float32, classes []int32, ignore, background *int) {
	units := len(s.Cells)
	for i, class := range classes {
		if ignore == nil || int(class) != *ignore {
			s.Cells[class][Largest(outputs[i*units:][:units])]++
		}
	}
	if background == nil {
		return
	}
	if truth := labelOf(classes, ignore, *background); truth >= 0 {
		s.Labels[truth][largestSum(outputs[:len(classes)*units], units, *background)]++
	}
}

// Largest is the index of the largest output of a cell, of equal ones the first.
func Largest(outputs []float32) int {
	largest := 0
	for u, v := range outputs {
		if v > outputs[largest] {
			largest = u
		}
	}
	return largest
}

// labelOf is the class of a sample's first cell that counts and is not
// background; -1 where there is none.
func labelOf(classes []int32, ignore *int, background int) int {
	for _, class := range classes {
		if int(class) != background && (ignore == nil || int(class) != *ignore) {
			return int(class)
		}
	}
	return -1
}

// largestSum is the class other than background with the largest sum of outputs
// [cells, units].
func largestSum(outputs []float32, units, background int) int {
	sums := make([]float64, units)
	for i, v := range outputs {
		sums[i%units] += float64(v)
	}
	answer := -1
	for u, sum := range sums {
		if u != background && (answer < 0 || sum > sums[answer]) {
			answer = u
		}
	}
	return answer
}
