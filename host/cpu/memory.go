package cpu

import (
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/machine"
)

// alike is a run of samples of one shape, so that a batch of millions is not
// copied to be measured.
type alike struct {
	shape grid.Shape
	count int
}

func runs(samples []grid.Shape) (list []alike) {
	for _, s := range samples {
		if n := len(list); n > 0 && list[n-1].shape.Equal(s) {
			list[n-1].count++
			continue
		}
		list = append(list, alike{append(grid.Shape{}, s...), 1})
	}
	return list
}

// estimate is the memory in bytes of a plan for samples, known before any of it
// is taken. README.md has the rule for a row.
func (e *Engine) estimate(samples []grid.Shape) (total int64, rows int) {
	shapes := runs(samples)
	for _, s := range shapes {
		rows += s.shape.Cells() * s.count
	}
	n := int64(rows)
	floats := int64(e.model.Config.Input) * n
	axes := len(samples[0])
	view := e.model.Config.View
	if view == grid.ViewRows || view == grid.ViewSnake {
		axes = 1
	}
	words := int64(2*axes+2) * n // the schedule
	first := true                // the first stage needs no gradient of its inputs
	for i := range e.model.Stages {
		st := &e.model.Stages[i]
		if st.Type == "sum" {
			n = 0
			for j := range shapes {
				s := &shapes[j]
				s.shape = append(s.shape[:st.Axis:st.Axis], s.shape[st.Axis+1:]...)
				n += int64(s.shape.Cells() * s.count)
			}
			axes--
			words += int64(2*axes+4) * n
			floats += 2 * int64(st.Out) * n
			first = false
			continue
		}
		gradients := int64(2)
		if first {
			gradients = 1
		}
		if st.Window != nil {
			n = 0
			for _, s := range shapes {
				for d, w := range st.Window {
					s.shape[d] = (s.shape[d] + w - 1) / w
				}
				n += int64(s.shape.Cells() * s.count)
			}
			words += int64(2*axes+4) * n
			floats += gradients * int64(st.In) * n
		}
		if st.Dropout > 0 {
			floats += gradients * int64(st.In) * n
		}
		floats += 2 * int64(st.Out) * n
		if st.Type == "mdlstm" {
			floats += int64(e.cellFloats(st.Hidden, st.Gates, st.Cell == cellLayerNorm)*len(st.Directions)) * n
			if st.Combine != "concat" {
				floats += 2 * int64(st.Hidden*len(st.Directions)) * n
			}
			words += int64((1+st.Axes)*len(st.Directions)) * n
		}
		first = false
	}
	return 4 * (floats + words + int64(e.model.Units())*n), rows
}

// cellFloats is what a row of one direction keeps between forward and backward:
// gates, c and tanh(c), and for layernorm what the norms need.
func (e *Engine) cellFloats(hidden, gates int, norms bool) int {
	p := (hidden + e.kernels.width - 1) / e.kernels.width * e.kernels.width
	floats := gates*p + 2*p
	if norms {
		floats += gates*p + p + gates + 1
	}
	return floats
}

// affordable refuses a plan that this machine has no memory for, before any of
// it is taken: a process that runs out later is killed without a word.
func (e *Engine) affordable(samples []grid.Shape) error {
	total, rows := e.estimate(samples)
	free := machine.FreeMemory()
	if free == 0 || total <= free {
		return nil
	}
	return fmt.Errorf("%w: a batch of %d samples, %d cells in all, needs %s, %s are free: use a smaller batch or size",
		engine.ErrMemory, len(samples), rows, machine.GiB(total), machine.GiB(free))
}

// scheduleBytes is the memory of a schedule's own tables.
func scheduleBytes(s *grid.Schedule) int64 {
	n := int64(len(s.Start) + len(s.Cell) + len(s.Row) + len(s.First))
	for a := range s.Axes {
		n += int64(len(s.Pred[a]) + len(s.Succ[a]))
	}
	return 4 * n
}
