package batch

import (
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// Needs checks samples, shapes of the input grid, and counts the room that they
// take on the grid after the model's view.
func Needs(m *nn.Model, samples []grid.Shape) (engine.Capacity, error) {
	var c engine.Capacity
	if len(samples) == 0 {
		return c, fmt.Errorf("%w: a batch of no samples", engine.ErrShape)
	}
	if m.Axes() != len(samples[0]) { // else nothing can be wrong, and nothing need be allocated
		if _, err := m.OutputShape(samples[0]); err != nil {
			return c, fmt.Errorf("%w: %w", engine.ErrShape, err)
		}
	}
	for i, s := range samples {
		if len(s) != len(samples[0]) {
			return c, fmt.Errorf("%w: sample %d of %s has %d axes, sample 0 of %s has %d",
				engine.ErrShape, i, s, len(s), samples[0], len(samples[0]))
		}
		cells := s.Cells()
		if cells < 1 || cells > grid.MaxRows-c.Rows {
			return c, fmt.Errorf("%w: sample %d of %s: a batch holds 1 to %d cells", engine.ErrShape, i, s, grid.MaxRows)
		}
		c.Rows += cells
		sequences, waves := sequencesOf(m.Config.View, s)
		c.Samples += sequences
		c.Wavefronts = max(c.Wavefronts, waves)
	}
	return c, nil
}

// sequencesOf is how many samples a view makes of one, and the wavefronts of
// each.
func sequencesOf(view string, s grid.Shape) (sequences, waves int) {
	switch view {
	case grid.ViewSnake:
		return 1, s.Cells()
	case grid.ViewRows:
		last := s[len(s)-1]
		return s.Cells() / last, last
	}
	waves = 1
	for _, n := range s {
		waves += n - 1
	}
	return 1, waves
}

// Fits says whether a need finds room.
func Fits(need, room engine.Capacity) bool {
	return need.Rows <= room.Rows && need.Wavefronts <= room.Wavefronts && need.Samples <= room.Samples
}

// Within is an error that wraps [engine.ErrShape] when a need finds no room in a
// plan.
func Within(need, room engine.Capacity) error {
	if Fits(need, room) {
		return nil
	}
	return fmt.Errorf("%w: batch of %d cells, %d wavefronts, %d samples; the plan has room for %d, %d, %d",
		engine.ErrShape, need.Rows, need.Wavefronts, need.Samples, room.Rows, room.Wavefronts, room.Samples)
}
