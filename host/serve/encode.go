package serve

import (
	"bytes"
	"fmt"
	"image/color"
	"net/http"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
)

// outputs are what the model gives for a request.
type outputs struct {
	shapes []grid.Shape // the grid of each
	sizes  []int        // values of each
	y      []float32    // packed [cells, units]
}

// newOutputs makes room for the outputs of samples.
func newOutputs(m *nn.Model, samples []grid.Shape) (*outputs, int64, error) {
	o := &outputs{shapes: make([]grid.Shape, len(samples)), sizes: make([]int, len(samples))}
	total := int64(0)
	for i, size := range samples {
		if i > 0 && size.Equal(samples[i-1]) {
			o.shapes[i], o.sizes[i] = o.shapes[i-1], o.sizes[i-1]
		} else {
			shape, err := m.OutputShape(size)
			if err != nil {
				return nil, 0, faultf(http.StatusUnprocessableEntity, "sample %d: %v", i, err)
			}
			o.shapes[i] = shape
			o.sizes[i] = o.shapes[i].Cells() * m.Units()
		}
		total += int64(o.sizes[i])
	}
	return o, total, nil
}

// bytesAValue is what a value takes in a computed and an encoded answer.
func bytesAValue(k kind) int64 {
	if k == kindLists {
		return 4 + 16
	}
	return 4 + 4
}

// form says how an answer is written.
type form struct {
	kind    kind
	model   *nn.Model
	labels  []Label
	palette color.Palette
	numbers bool // a mask is to have the classes' numbers, and their colours
	bits    int  // of a picture's values
}

// encode writes the answer.
func (o *outputs) encode(dst []byte, f form) ([]byte, error) {
	switch f.kind {
	case kindArray:
		return o.array(dst, f.model)
	case kindPicture:
		return o.picture(dst, f)
	}
	return o.lists(dst, f.model)
}

// array is [samples, grid …, units], for outputs of one size.
func (o *outputs) array(dst []byte, m *nn.Model) ([]byte, error) {
	for i, shape := range o.shapes {
		if !shape.Equal(o.shapes[0]) {
			return nil, faultf(http.StatusNotAcceptable, "output %d has the grid %s, output 0 %s, which is no one array: accept application/json, or send samples of one size", i, shape, o.shapes[0])
		}
	}
	shape := append(append([]int{len(o.shapes)}, o.shapes[0]...), m.Units())
	return npy.Append(dst, shape, o.y)
}

// picture is a mask, or values as a picture, as the command predict writes them.
func (o *outputs) picture(dst []byte, f form) ([]byte, error) {
	m := f.model
	if len(o.shapes) != 1 {
		return nil, faultf(http.StatusNotAcceptable, "%d outputs are no one picture: accept application/x-npy, or send one sample a request", len(o.shapes))
	}
	size := o.shapes[0]
	if len(size) != 2 {
		return nil, faultf(http.StatusNotAcceptable, "an output of %d axes is no picture: accept application/x-npy", len(size))
	}
	b := bytes.NewBuffer(dst)
	if m.Config.Loss != nn.CrossEntropy {
		err := imagefile.Encode(b, &imagefile.Image{Height: size[0], Width: size[1], Channels: m.Units(), Pix: o.y, Bits: f.bits})
		if err != nil {
			return nil, faultf(http.StatusUnprocessableEntity, "the outputs are no picture: %v: accept application/x-npy", err)
		}
		return b.Bytes(), nil
	}
	numbers, err := nn.LargestClasses(o.y, size, m.Units())
	if err != nil {
		return nil, faultf(http.StatusUnprocessableEntity, "%v: accept application/x-npy to see the outputs", err)
	}
	mask := &imagefile.Mask{Height: size[0], Width: size[1], Values: numbers}
	switch {
	case f.numbers && m.Units() <= 256:
		mask.Palette = imagefile.Palette(m.Units())
	case !f.numbers:
		mask.Palette = f.palette
		if f.labels != nil {
			for i, number := range numbers {
				numbers[i] = f.labels[number].Value
			}
		}
	}
	if err := imagefile.EncodeMask(b, mask); err != nil {
		return nil, fmt.Errorf("encode a mask: %w", err)
	}
	return b.Bytes(), nil
}

// lists is {"outputs": [output, …]}, an output being lists [grid …, units], and
// for classes also "classes", the number of the largest of each cell's outputs.
func (o *outputs) lists(dst []byte, m *nn.Model) ([]byte, error) {
	dst = append(dst, `{"outputs":[`...)
	at := 0
	for i, shape := range o.shapes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendLists(dst, append(shape[:len(shape):len(shape)], m.Units()), o.y[at:][:o.sizes[i]])
		at += o.sizes[i]
	}
	dst = append(dst, ']')
	if m.Config.Loss == nn.CrossEntropy {
		dst = append(dst, `,"classes":[`...)
		at = 0
		for i, shape := range o.shapes {
			if i > 0 {
				dst = append(dst, ',')
			}
			numbers, err := nn.LargestClasses(o.y[at:][:o.sizes[i]], shape, m.Units())
			if err != nil {
				return nil, faultf(http.StatusUnprocessableEntity, "sample %d: %v: accept application/x-npy to see the outputs", i, err)
			}
			dst = appendClasses(dst, shape, numbers)
			at += o.sizes[i]
		}
		dst = append(dst, ']')
	}
	return append(dst, "}\n"...), nil
}
