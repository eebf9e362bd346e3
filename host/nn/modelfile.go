package nn

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"mdlstm-gpu/host/nn/tensorfile"
)

// ModelFormat is the "format" in a model file's metadata.
const ModelFormat = "mdlstm-1"

// SaveModel writes a model file: safetensors with the parameters by name and
// the configuration in the metadata. The file appears whole or not at all (see
// [tensorfile.AtomicWrite]). Errors begin with "write" and the path.
func SaveModel(path string, m *Model, params []float32) error {
	return tensorfile.AtomicWrite(path, func(w io.Writer) error {
		return EncodeModel(w, m, params)
	})
}

// LoadModel reads a model file. Errors are one line that begins with "load" and
// the path and names what is at fault.
func LoadModel(path string) (*Model, []float32, error) {
	var m *Model
	var params []float32
	err := tensorfile.Open(path, func(r io.Reader, size int64) (err error) {
		m, params, err = DecodeModel(r, size)
		return err
	})
	return m, params, err
}

// EncodeModel writes a model file to w. Equal models give equal bytes. It
// refuses parameters of another length and, since [DecodeModel] would, values
// that are not finite.
func EncodeModel(w io.Writer, m *Model, params []float32) error {
	if len(params) != m.Size() {
		return fmt.Errorf("got %d parameters, the model has %d", len(params), m.Size())
	}
	config, err := m.Config.JSON()
	if err != nil {
		return err
	}
	tensors := make([]tensorfile.Tensor, len(m.Params))
	for i, p := range m.Params {
		tensors[i] = tensorfile.Tensor{Name: p.Name, Shape: p.Shape, Data: params[p.Offset : p.Offset+p.Size()]}
		if err := checkFinite(tensors[i]); err != nil {
			return err
		}
	}
	return tensorfile.Encode(w, tensors, map[string]string{"format": ModelFormat, "config": string(config)})
}

// DecodeModel reads a model file of exactly size bytes. It refuses files of
// another format or version, a configuration that [ParseConfig] refuses, and
// tensors that are missing, unknown, of another shape or not finite.
func DecodeModel(r io.Reader, size int64) (*Model, []float32, error) {
	tensors, meta, err := tensorfile.Decode(r, size)
	if err != nil {
		return nil, nil, err
	}
	format, ok := meta["format"]
	if !ok {
		return nil, nil, fmt.Errorf("no format in the metadata, want %q: not a model of this program", ModelFormat)
	}
	if format != ModelFormat {
		return nil, nil, fmt.Errorf("format %q, want %q: made by another program or version", format, ModelFormat)
	}
	config, err := ParseConfig([]byte(meta["config"]))
	if err != nil {
		return nil, nil, err
	}
	m, err := New(config)
	if err != nil {
		return nil, nil, err
	}
	params, err := gather(m, tensors)
	return m, params, err
}

// gather checks the tensors against the model before it allocates the flat
// parameters: a configuration may claim any size.
func gather(m *Model, tensors map[string]tensorfile.Tensor) ([]float32, error) {
	for _, p := range m.Params {
		t, ok := tensors[p.Name]
		if !ok {
			return nil, fmt.Errorf("tensor %q: missing: the file does not fit its own config", p.Name)
		}
		if !slices.Equal(t.Shape, p.Shape) {
			return nil, fmt.Errorf("tensor %q: shape %v, want %v: the file does not fit its own config", p.Name, t.Shape, p.Shape)
		}
		if err := checkFinite(t); err != nil {
			return nil, err
		}
	}
	unknown := maps.Clone(tensors)
	for _, p := range m.Params {
		delete(unknown, p.Name)
	}
	if len(unknown) > 0 {
		name := slices.Min(slices.Collect(maps.Keys(unknown)))
		return nil, fmt.Errorf("tensor %q: not in the model: the file does not fit its own config", name)
	}
	params := make([]float32, m.Size())
	for _, p := range m.Params {
		copy(params[p.Offset:], tensors[p.Name].Data)
	}
	return params, nil
}

// checkFinite names the first value that is NaN or infinite.
func checkFinite(t tensorfile.Tensor) error {
	for i, v := range t.Data {
		if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("tensor %q: value %v is %v, want finite numbers", t.Name, coordinates(i, t.Shape), v)
		}
	}
	return nil
}

// coordinates is flat index i of a row-major array, axis by axis.
func coordinates(i int, shape []int) []int {
	at := make([]int, len(shape))
	for axis := len(shape) - 1; axis >= 0; axis-- {
		at[axis] = i % shape[axis]
		i /= shape[axis]
	}
	return at
}
