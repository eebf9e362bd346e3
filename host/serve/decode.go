package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
)

// inputs are a request's samples.
type inputs struct {
	kind    kind
	samples []grid.Shape
	x       []float32 // packed [cells, K]
	bits    int       // of a picture
}

// decoder makes inputs of bodies, and refuses what the model cannot take.
type decoder struct {
	model    *nn.Model
	maxCells int // of a sample
}

// decode reads a body. v holds the bytes of what it makes; the body's own it has
// already.
func (d *decoder) decode(k kind, body []byte, v *visit) (in *inputs, err error) {
	if len(body) == 0 {
		return nil, faultf(http.StatusBadRequest, "the body is empty: send an array (.npy), a picture or JSON")
	}
	if k == "" {
		if k, err = sniff(body); err != nil {
			return nil, err
		}
	}
	switch k {
	case kindArray:
		in, err = d.array(body, v)
	case kindPicture:
		in, err = d.picture(body, v)
	default:
		in, err = d.lists(body, v)
	}
	if err != nil {
		return nil, err
	}
	in.kind = k
	return in, d.finite(in)
}

// array reads a .npy file [samples, grid …, K].
func (d *decoder) array(body []byte, v *visit) (*inputs, error) {
	file, err := npy.Parse(body)
	if err != nil {
		return nil, faultf(http.StatusBadRequest, "the .npy body: %v", err)
	}
	shape := file.Shape
	if err := d.layout(shape); err != nil {
		return nil, err
	}
	size := grid.Shape(shape[1 : len(shape)-1])
	if err := d.check(size); err != nil {
		return nil, err
	}
	if err := v.hold(4*int64(file.Size) + bytesASample*int64(shape[0])); err != nil {
		return nil, err
	}
	in := &inputs{samples: make([]grid.Shape, shape[0]), x: make([]float32, file.Size)}
	for i := range in.samples {
		in.samples[i] = size
	}
	if err := file.Values(in.x); err != nil {
		return nil, faultf(http.StatusBadRequest, "the .npy body: %v", err)
	}
	return in, nil
}

// layout refuses an array's shape that is not [samples, grid …, K].
func (d *decoder) layout(shape []int) error {
	k, axes, n := d.model.Config.Input, d.model.Axes(), len(shape)
	if n >= 3 && shape[n-1] == k && shape[0] >= 1 && (axes == nn.AnyAxes || n == axes+2) {
		return nil
	}
	grids, hint := "", ""
	if axes != nn.AnyAxes {
		grids = fmt.Sprintf("a grid of %d axes, ", axes)
		switch {
		case n == axes+1 && shape[axes] == k:
			hint = "; one sample needs an axis in front: x[None]"
		case n == axes+1 && k == 1:
			hint = "; one channel needs an axis behind: x[..., None]"
		}
	}
	return faultf(http.StatusUnprocessableEntity, "the array has shape %v, want [samples, grid …, %d]: %schannels last%s", shape, k, grids, hint)
}

// picture reads a PNG or a JPEG.
func (d *decoder) picture(body []byte, v *visit) (*inputs, error) {
	if err := d.model.Pictures(); err != nil {
		return nil, faultf(http.StatusUnprocessableEntity, "the model does not take pictures: %v", err)
	}
	length := int64(len(body))
	size, memory, err := imagefile.StatReader(bytes.NewReader(body), length, imagefile.Limits{Pixels: math.MaxInt64 / 64})
	if err != nil {
		return nil, faultf(http.StatusBadRequest, "the picture: %v", err)
	}
	shape := grid.Shape{size.Height, size.Width}
	if err := d.check(shape); err != nil {
		return nil, err
	}
	k := d.model.Config.Input
	// What the decoder holds at once, and the values.
	if err := v.hold(memory + int64(shape.Cells())*int64(4*k)); err != nil {
		return nil, err
	}
	img, err := imagefile.DecodeReader(bytes.NewReader(body), length, k, imagefile.Limits{})
	if err != nil {
		return nil, faultf(http.StatusBadRequest, "the picture: %v", err)
	}
	return &inputs{samples: []grid.Shape{shape}, x: img.Pix, bits: img.Bits}, nil
}

// listsHold is how many bytes a byte of a JSON body may become: a sample of four
// bytes, "[1],", is a copy and a slice of encoding/json's; slices double.
const listsHold = 16

// bytesASample is what is kept of a sample beside its values.
const bytesASample = 64

// lists reads {"samples": [sample, …]}, a sample being lists [grid …, K].
func (d *decoder) lists(body []byte, v *visit) (*inputs, error) {
	if err := v.hold(listsHold * int64(len(body))); err != nil {
		return nil, err
	}
	var request struct {
		Samples []json.RawMessage `json:"samples"`
	}
	r := json.NewDecoder(bytes.NewReader(body))
	r.DisallowUnknownFields()
	err := r.Decode(&request)
	if err == nil {
		if _, more := r.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more behind the object")
		}
	}
	if err != nil {
		return nil, faultf(http.StatusBadRequest, `the JSON body: %v: want {"samples": [sample, …]}, each sample lists of numbers [grid …, channels]`, err)
	}
	if len(request.Samples) == 0 {
		return nil, faultf(http.StatusUnprocessableEntity, `the JSON body has no samples: want {"samples": [sample, …]}, each sample lists of numbers [grid …, channels]`)
	}
	in := &inputs{}
	k := d.model.Config.Input
	for i, raw := range request.Samples {
		var shape []int
		if shape, in.x, err = flatten(raw, in.x); err != nil {
			return nil, faultf(http.StatusUnprocessableEntity, "sample %d: %v", i, err)
		}
		if len(shape) < 2 || shape[len(shape)-1] != k {
			return nil, faultf(http.StatusUnprocessableEntity, "sample %d has shape %v, want [grid …, %d] with the channels last", i, shape, k)
		}
		size := grid.Shape(shape[:len(shape)-1])
		if err := d.check(size); err != nil {
			return nil, faultOf(err, fmt.Sprintf("sample %d: ", i))
		}
		if len(in.samples) > 0 && len(size) != len(in.samples[0]) {
			return nil, faultf(http.StatusUnprocessableEntity, "sample %d has %d axes, sample 0 has %d: send them in requests of their own", i, len(size), len(in.samples[0]))
		}
		in.samples = append(in.samples, size)
	}
	return in, nil
}

// faultOf puts a text before that of a fault.
func faultOf(err error, before string) error {
	var f *fault
	if errors.As(err, &f) {
		g := *f
		g.text = before + g.text
		return &g
	}
	return err
}

// check refuses a grid that the model cannot take, or that is too large.
func (d *decoder) check(size grid.Shape) error {
	if _, err := d.model.OutputShape(size); err != nil {
		return faultf(http.StatusUnprocessableEntity, "%v", err)
	}
	if len(size) > grid.MaxAxes {
		return faultf(http.StatusUnprocessableEntity, "grid %s has %d axes, want at most %d", size, len(size), grid.MaxAxes)
	}
	if cells := size.Cells(); cells > d.maxCells {
		return faultf(http.StatusRequestEntityTooLarge, "grid %s has %d cells, the server takes %d a sample: scale it down, or cut it", size, cells, d.maxCells)
	}
	return nil
}

// finite refuses NaN and infinities, which would spoil whatever is computed with
// them.
func (d *decoder) finite(in *inputs) error {
	var sum float32
	for _, v := range in.x {
		sum += v - v
	}
	if sum == 0 {
		return nil
	}
	at, k := 0, d.model.Config.Input
	for i, size := range in.samples {
		n := size.Cells() * k
		for j, v := range in.x[at:][:n] {
			if v-v != 0 {
				return faultf(http.StatusUnprocessableEntity, "sample %d, cell %d in row-major order, channel %d is %v: inputs must be finite", i, j/k, j%k, v)
			}
		}
		at += n
	}
	return nil
}
