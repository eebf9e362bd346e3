package main

import (
	"fmt"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
)

// understood says what was made of the data, and which head and loss followed
// from it: lines of a key and a text.
func understood(data task.Split, m *nn.Model) [][2]string {
	src := data.Train
	spec, largest := src.Spec(), src.Largest()[0]
	channels := count(spec.Input, "channel")
	text := fmt.Sprintf("generated samples of %v cells, %s", largest, channels)
	arrays, _ := src.(*task.Arrays)
	if arrays != nil {
		upTo := ""
		for _, size := range arrays.Sizes() {
			if !size.Equal(arrays.Grid()) {
				upTo = "up to "
				break
			}
		}
		text = fmt.Sprintf("%s of %s%v cells, %s", count(spec.Samples, "sample"), upTo, grid.Shape(arrays.Grid()), channels)
	}
	lines := [][2]string{{"data", text}}
	folder, _ := src.(*task.Folder)
	if folder != nil {
		lines[0][1] = fmt.Sprintf("%s of %s cells, %s", count(spec.Samples, "sample"), sizesText(folder.Sizes()), channels)
	} else if arrays == nil && spec.Samples > 0 {
		lines[0][1] = fmt.Sprintf("%s of %v cells, %s", count(spec.Samples, "sample"), largest, channels)
	}
	if data.Valid != nil {
		lines = append(lines, [2]string{"valid", fmt.Sprintf("%s, not trained on", count(data.Valid.Spec().Samples, "sample"))})
	}
	if folder != nil {
		lines = append(lines, [2]string{"classes", classesText(folder)})
	}
	if arrays != nil {
		if counts := arrays.ClassCounts(); counts != nil {
			lines = append(lines, [2]string{"classes", classText(counts, m.Config.IgnoreIndex)})
		}
	}
	if out, err := m.OutputShape(largest); err == nil {
		switch {
		case len(out) == 0:
			lines = append(lines, [2]string{"output", "one for each sample"})
		case !largest.Equal(out):
			lines = append(lines, [2]string{"output", fmt.Sprintf("up to %v cells", grid.Shape(out))})
		}
	}
	return append(lines, [2]string{"head", fmt.Sprintf("%s, %s, %s", count(m.Units(), "unit"), m.Config.Head.Activation, lossText(m.Config))})
}

// classText is the range of the class numbers; a gap below the largest may be a
// number for cells that do not count.
func classText(counts []int, ignore *int) string {
	largest, missing, firstMissing := 0, 0, -1
	for class, n := range counts {
		if n > 0 {
			largest = class
		}
	}
	for class, n := range counts[:largest] {
		if n > 0 || ignore != nil && *ignore == class {
			continue
		}
		if missing++; firstMissing < 0 {
			firstMissing = class
		}
	}
	text := fmt.Sprintf("0 to %d", largest)
	if ignore != nil {
		text += fmt.Sprintf(", %d does not count", *ignore)
	}
	switch {
	case missing == 0:
		return text
	case missing == 1:
		text += fmt.Sprintf(", but %d never occurs", firstMissing)
	default:
		text += fmt.Sprintf(", but %d of them, such as %d, never occur", missing, firstMissing)
	}
	if ignore == nil {
		text += fmt.Sprintf("; if %d marks cells that do not count, give --ignore-index %d", largest, largest)
	}
	return text
}
