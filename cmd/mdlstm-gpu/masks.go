package main

import (
	"fmt"
	"image/color"
	"strings"

	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
)

// maskForm is how predicted masks say which class a cell has. For a model in the
// folder of its run it is that of the masks it was trained on, so that both can be
// compared as they are; else the classes' numbers.
type maskForm struct {
	classes task.Classes  // of the training masks; nil for numbers
	palette color.Palette // of pictures; nil for grey values
	units   int
}

// maskFormOf finds the run of a model of classes.
func maskFormOf(path string, m *nn.Model) (maskForm, error) {
	f := maskForm{units: m.Units()}
	if f.units <= 256 {
		f.palette = imagefile.Palette(f.units)
	}
	record, known := recordBeside(path)
	if !known || !ofFolders(record.Settings.Task) || record.Settings.Data["classes"] == "" {
		return f, nil
	}
	classes, err := task.ParseClasses(record.Settings.Data["classes"])
	if err != nil {
		return f, fmt.Errorf("the run's data settings: classes %w", err)
	}
	if len(classes) != f.units { // the model is not that of the run
		return f, nil
	}
	f.classes, f.palette = classes, nil
	text := record.Settings.Data["palette"]
	if text == "" {
		return f, nil
	}
	colours, err := task.ParseColours(text)
	if err != nil || len(colours) != len(classes) {
		return f, fmt.Errorf("the run's data settings: palette %.40q: want a colour such as 2b2d42 for each of %d classes", text, len(classes))
	}
	f.palette = paletteOf(classes, colours)
	return f, nil
}

// paletteOf has the colours of classes at their values, black elsewhere; nil where
// a value is beyond any palette.
func paletteOf(classes task.Classes, colours color.Palette) color.Palette {
	var p color.Palette
	for i, class := range classes {
		if class.Value < 0 || class.Value > 255 {
			return nil
		}
		for len(p) <= int(class.Value) {
			p = append(p, color.RGBA{A: 0xff})
		}
		p[class.Value] = colours[i]
	}
	return p
}

// values are what a mask holds for class numbers.
func (f maskForm) values(numbers []int32) []int32 {
	if f.classes == nil {
		return numbers
	}
	values := make([]int32, len(numbers))
	for i, number := range numbers {
		values[i] = f.classes[number].Value
	}
	return values
}

// String says which of both it is.
func (f maskForm) String() string {
	if f.classes == nil {
		return fmt.Sprintf("class numbers 0 to %d", f.units-1)
	}
	const most = 8
	var list []string
	for i, class := range f.classes {
		if i == most {
			list = append(list, "…")
			break
		}
		text := fmt.Sprint(class.Value)
		if class.Name != text {
			text = class.Name + "=" + text
		}
		list = append(list, text)
	}
	return "the values of the training masks, " + strings.Join(list, ", ")
}
