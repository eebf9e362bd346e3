package cpu

import (
	"fmt"

	"mdlstm-gpu/host/engine"
)

// load checks the targets of a batch, brings them into row order and returns
// their weight.
func (s *lossStage) load(b *engine.Batch) (weight float64, err error) {
	s.targets = false
	s.relevant = s.relevant[:0]
	s.total = engine.Loss{}
	if b.Y == nil && b.Class == nil {
		return 0, nil
	}
	if s.name == "cross_entropy" {
		weight, err = s.loadClasses(b)
	} else {
		weight, err = s.loadValues(b)
	}
	if err != nil {
		return 0, err
	}
	if err := s.loadRelevant(b); err != nil {
		return 0, err
	}
	s.targets = true
	s.total.Weight, s.total.RelevantCount = weight, float64(len(s.relevant))
	return weight, nil
}

func (s *lossStage) loadValues(b *engine.Batch) (weight float64, err error) {
	rows, n := s.sched.Rows, s.units
	if b.Class != nil {
		return 0, fmt.Errorf("%w: class targets with loss %s: want values in y", engine.ErrData, s.name)
	}
	if len(b.Y) != rows*n {
		return 0, fmt.Errorf("%w: y has %d values, want %d (%d output cells of %d units)", engine.ErrShape, len(b.Y), rows*n, rows, n)
	}
	for r := range rows {
		y := b.Y[int(s.sched.Cell[r])*n:][:n]
		for u, v := range y {
			s.y[r*n+u] = v
			switch {
			case s.name == "binary_cross_entropy" && !(v >= 0 && v <= 1):
				return 0, fmt.Errorf("%w: y is %v at output cell %d, unit %d: binary_cross_entropy wants 0 to 1", engine.ErrData, v, s.sched.Cell[r], u)
			case finite(v):
				weight++
			case v == v: // infinite; NaN does not count
				return 0, fmt.Errorf("%w: y is %v at output cell %d, unit %d: want a finite value, or NaN where no target is known", engine.ErrData, v, s.sched.Cell[r], u)
			}
		}
	}
	return weight, nil
}

func (s *lossStage) loadClasses(b *engine.Batch) (weight float64, err error) {
	rows := s.sched.Rows
	if b.Y != nil {
		return 0, fmt.Errorf("%w: values in y with loss %s: want class numbers", engine.ErrData, s.name)
	}
	if len(b.Class) != rows {
		return 0, fmt.Errorf("%w: %d class numbers, want %d, one an output cell", engine.ErrShape, len(b.Class), rows)
	}
	for r := range rows {
		c := b.Class[s.sched.Cell[r]]
		if (!s.ignores || c != s.ignore) && (c < 0 || int(c) >= s.units) {
			return 0, fmt.Errorf("%w: class %d at output cell %d: the model has classes 0 to %d", engine.ErrData, c, s.sched.Cell[r], s.units-1)
		}
		s.class[r] = c
		weight += s.classWeight(c)
	}
	return weight, nil
}

func (s *lossStage) loadRelevant(b *engine.Batch) error {
	if len(b.Relevant) > 0 && s.name != "mse" {
		return fmt.Errorf("%w: relevant cells with loss %s: they need mse", engine.ErrData, s.name)
	}
	for _, c := range b.Relevant {
		if c < 0 || int(c) >= s.sched.Rows {
			return fmt.Errorf("%w: relevant cell %d of %d output cells", engine.ErrShape, c, s.sched.Rows)
		}
		s.relevant = append(s.relevant, s.sched.Row[c])
	}
	return nil
}

func (s *lossStage) bytes() int64 { return 4 * int64(cap(s.y)+cap(s.class)+cap(s.relevant)) }
