package batch

import (
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// Targets is where targets go, in the order of rows. A model uses Class with
// cross_entropy and Y otherwise; both have room for every row.
type Targets struct {
	Y        []float32 // [rows, units]
	Class    []int32   // [rows]; -1 where ignore_index says that a cell does not count
	Relevant []int32   // rows; Load replaces the contents and may grow it
}

// CheckTargets holds the kind and the number of a batch's targets against the
// model's loss and the number of output cells. A batch without targets passes.
func CheckTargets(m *nn.Model, b *engine.Batch, cells int) error {
	loss, n := m.Config.Loss, m.Units()
	switch {
	case b.Y == nil && b.Class == nil:
		return nil
	case loss == nn.CrossEntropy && b.Y != nil:
		return fmt.Errorf("%w: values in y with loss %s: want class numbers", engine.ErrData, loss)
	case loss == nn.CrossEntropy && len(b.Class) != cells:
		return fmt.Errorf("%w: %d class numbers, want %d, one an output cell", engine.ErrShape, len(b.Class), cells)
	case loss != nn.CrossEntropy && b.Class != nil:
		return fmt.Errorf("%w: class targets with loss %s: want values in y", engine.ErrData, loss)
	case loss != nn.CrossEntropy && len(b.Y) != cells*n:
		return fmt.Errorf("%w: y has %d values, want %d (%d output cells of %d units)", engine.ErrShape, len(b.Y), cells*n, cells, n)
	case len(b.Relevant) > 0 && loss != nn.MSE:
		return fmt.Errorf("%w: relevant cells with loss %s: they need mse", engine.ErrData, loss)
	}
	for _, c := range b.Relevant {
		if c < 0 || int(c) >= cells {
			return fmt.Errorf("%w: relevant cell %d of %d output cells", engine.ErrShape, c, cells)
		}
	}
	return nil
}

// Load checks the values of a batch's targets, whose number [CheckTargets] found
// right, and writes those of the samples of s, the schedule of their output grids;
// first is the first of their output cells in the batch. The weight is what the
// engine's interface asks for, see [engine.Plan]; without targets it is 0 and
// nothing is written.
func (t *Targets) Load(m *nn.Model, b *engine.Batch, s *grid.Schedule, first int) (weight float64, err error) {
	t.Relevant = t.Relevant[:0]
	if b.Y == nil && b.Class == nil {
		return 0, nil
	}
	for _, c := range b.Relevant {
		if at := int(c) - first; at >= 0 && at < s.Rows {
			t.Relevant = append(t.Relevant, s.Row[at])
		}
	}
	if m.Config.Loss == nn.CrossEntropy {
		return t.classes(m, b.Class[first:], s, first)
	}
	return t.values(m, b.Y[first*m.Units():], s, first)
}

func (t *Targets) values(m *nn.Model, all []float32, s *grid.Schedule, first int) (weight float64, err error) {
	loss, n := m.Config.Loss, m.Units()
	for r := range s.Rows {
		y, to := all[int(s.Cell[r])*n:][:n], t.Y[r*n:][:n]
		for u, v := range y {
			to[u] = v
			switch {
			case loss == nn.BinaryCrossEntropy && !(v >= 0 && v <= 1):
				return 0, fmt.Errorf("%w: y is %v at output cell %d, unit %d: binary_cross_entropy wants 0 to 1", engine.ErrData, v, first+int(s.Cell[r]), u)
			case v-v == 0:
				weight++
			case v == v: // infinite; NaN does not count
				return 0, fmt.Errorf("%w: y is %v at output cell %d, unit %d: want a finite value, or NaN where no target is known",
					engine.ErrData, v, first+int(s.Cell[r]), u)
			}
		}
	}
	return weight, nil
}

func (t *Targets) classes(m *nn.Model, all []int32, s *grid.Schedule, first int) (weight float64, err error) {
	units, ignore := m.Units(), m.Config.IgnoreIndex
	for r := range s.Rows {
		c := all[s.Cell[r]]
		if ignore != nil && int(c) == *ignore {
			t.Class[r] = -1
			continue
		}
		if c < 0 || int(c) >= units {
			return 0, fmt.Errorf("%w: class %d at output cell %d: the model has classes 0 to %d", engine.ErrData, c, first+int(s.Cell[r]), units-1)
		}
		t.Class[r] = c
		if m.Config.ClassWeights == nil {
			weight++
		} else {
			weight += m.Config.ClassWeights[c]
		}
	}
	return weight, nil
}
