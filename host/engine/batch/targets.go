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

// Load checks a batch's targets against the model's loss and writes them. s is
// the schedule of the output grid. The weight is what the engine's interface
// asks for, see [engine.Plan]; without targets it is 0 and nothing is written.
func (t *Targets) Load(m *nn.Model, b *engine.Batch, s *grid.Schedule) (weight float64, err error) {
	t.Relevant = t.Relevant[:0]
	if b.Y == nil && b.Class == nil {
		return 0, nil
	}
	if m.Config.Loss == nn.CrossEntropy {
		weight, err = t.classes(m, b, s)
	} else {
		weight, err = t.values(m, b, s)
	}
	if err == nil {
		err = t.relevant(m, b, s)
	}
	return weight, err
}

func (t *Targets) values(m *nn.Model, b *engine.Batch, s *grid.Schedule) (weight float64, err error) {
	loss, n := m.Config.Loss, m.Units()
	if b.Class != nil {
		return 0, fmt.Errorf("%w: class targets with loss %s: want values in y", engine.ErrData, loss)
	}
	if want := s.Rows * n; len(b.Y) != want {
		return 0, fmt.Errorf("%w: y has %d values, want %d (%d output cells of %d units)", engine.ErrShape, len(b.Y), want, s.Rows, n)
	}
	for r := range s.Rows {
		y, to := b.Y[int(s.Cell[r])*n:][:n], t.Y[r*n:][:n]
		for u, v := range y {
			to[u] = v
			switch {
			case loss == nn.BinaryCrossEntropy && !(v >= 0 && v <= 1):
				return 0, fmt.Errorf("%w: y is %v at output cell %d, unit %d: binary_cross_entropy wants 0 to 1", engine.ErrData, v, s.Cell[r], u)
			case v-v == 0:
				weight++
			case v == v: // infinite; NaN does not count
				return 0, fmt.Errorf("%w: y is %v at output cell %d, unit %d: want a finite value, or NaN where no target is known",
					engine.ErrData, v, s.Cell[r], u)
			}
		}
	}
	return weight, nil
}

func (t *Targets) classes(m *nn.Model, b *engine.Batch, s *grid.Schedule) (weight float64, err error) {
	if b.Y != nil {
		return 0, fmt.Errorf("%w: values in y with loss %s: want class numbers", engine.ErrData, m.Config.Loss)
	}
	if len(b.Class) != s.Rows {
		return 0, fmt.Errorf("%w: %d class numbers, want %d, one an output cell", engine.ErrShape, len(b.Class), s.Rows)
	}
	units, ignore := m.Units(), m.Config.IgnoreIndex
	for r := range s.Rows {
		c := b.Class[s.Cell[r]]
		if ignore != nil && int(c) == *ignore {
			t.Class[r] = -1
			continue
		}
		if c < 0 || int(c) >= units {
			return 0, fmt.Errorf("%w: class %d at output cell %d: the model has classes 0 to %d", engine.ErrData, c, s.Cell[r], units-1)
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

func (t *Targets) relevant(m *nn.Model, b *engine.Batch, s *grid.Schedule) error {
	if len(b.Relevant) > 0 && m.Config.Loss != nn.MSE {
		return fmt.Errorf("%w: relevant cells with loss %s: they need mse", engine.ErrData, m.Config.Loss)
	}
	for _, c := range b.Relevant {
		if c < 0 || int(c) >= s.Rows {
			return fmt.Errorf("%w: relevant cell %d of %d output cells", engine.ErrShape, c, s.Rows)
		}
		t.Relevant = append(t.Relevant, s.Row[c])
	}
	return nil
}
