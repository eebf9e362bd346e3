package tensorfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/nlpodyssey/safetensors"

	"mdlstm-gpu/host/machine"
)

// metadataKey is the one name that a tensor cannot have.
const metadataKey = "__metadata__"

// Tensor is a named array of float32, row-major. A Shape without axes is a
// scalar, one value.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Write writes tensors and metadata to path as [AtomicWrite] does: whole, or
// not at all.
func Write(path string, tensors []Tensor, meta map[string]string) error {
	return AtomicWrite(path, func(w io.Writer) error {
		return Encode(w, tensors, meta)
	})
}

// Read returns the tensors of the file, by name, and its metadata, nil when it
// has none. Errors begin with "load" and the path.
func Read(path string) (map[string]Tensor, map[string]string, error) {
	var tensors map[string]Tensor
	var meta map[string]string
	err := Open(path, func(r io.Reader, size int64) (err error) {
		tensors, meta, err = Decode(r, size)
		return err
	})
	return tensors, meta, err
}

// Open opens the regular file at path, hands it and its size to read, and
// closes it. Errors begin with "load" and the path.
func Open(path string, read func(r io.Reader, size int64) error) error {
	file, size, err := OpenRegular(path)
	if errors.Is(err, ErrNotRegular) {
		return fmt.Errorf("load %s: %w: give a safetensors file", path, err)
	}
	if err != nil {
		return fmt.Errorf("load %s: %w", path, err)
	}
	defer file.Close() // read only: nothing is lost if it fails
	if err := read(file, size); err != nil {
		return fmt.Errorf("load %s: %w", path, Reason(err))
	}
	return nil
}

// Encode writes a safetensors file. Equal tensors and metadata give equal
// bytes: tensors are stored in the order of their names. It refuses a name
// given twice or reserved, data that do not fill their shape, and text that is
// not UTF-8. Values are stored as they are, NaN included.
func Encode(w io.Writer, tensors []Tensor, meta map[string]string) error {
	views := make(map[string]view, len(tensors))
	for _, t := range tensors {
		if t.Name == metadataKey || !utf8.ValidString(t.Name) {
			return fmt.Errorf("tensor %q: not a name that a safetensors file can hold", t.Name)
		}
		if _, ok := views[t.Name]; ok {
			return fmt.Errorf("tensor %q: given twice", t.Name)
		}
		if n, ok := values(t.Shape); !ok || n != len(t.Data) {
			return fmt.Errorf("tensor %q: %d values do not fill the shape %v", t.Name, len(t.Data), t.Shape)
		}
		views[t.Name] = view{t}
	}
	for key, text := range meta {
		if !utf8.ValidString(key) || !utf8.ValidString(text) {
			return fmt.Errorf("metadata %q: not UTF-8", key)
		}
	}
	return safetensors.SerializeToWriter(views, meta, w)
}

// Decode reads a safetensors file of exactly size bytes from r: tensors by
// name, and metadata, nil when there is none. The header's length is checked
// against size, and size against the memory that is free, before anything is
// allocated; all that is allocated then is the file's bytes once and its values
// once. It refuses files that are truncated or too long, tensors that overlap or
// leave gaps, and any dtype but F32. NaN is for the caller to judge.
func Decode(r io.Reader, size int64) (map[string]Tensor, map[string]string, error) {
	var prefix [8]byte
	if size < int64(len(prefix)) {
		return nil, nil, fmt.Errorf("got %d bytes, want 8 or more: not a safetensors file", size)
	}
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, nil, readError(err)
	}
	header := binary.LittleEndian.Uint64(prefix[:])
	if header > uint64(size)-8 {
		return nil, nil, fmt.Errorf("header of %d bytes in a file of %d: truncated, or not a safetensors file", header, size)
	}
	if size > math.MaxInt/2 {
		return nil, nil, fmt.Errorf("got %d bytes, want at most %d", size, math.MaxInt/2)
	}
	if err := machine.Fits(2 * size); err != nil {
		return nil, nil, err
	}
	content := make([]byte, size)
	copy(content, prefix[:])
	if _, err := io.ReadFull(r, content[8:]); err != nil {
		return nil, nil, readError(err)
	}
	_, info, err := safetensors.ReadMetadata(content)
	if err != nil {
		return nil, nil, headerError(err, content[8:8+header], uint64(size)-8-header)
	}
	data := content[8+header:]
	listed := info.Tensors()
	tensors := make(map[string]Tensor, len(listed))
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		t := listed[name]
		if t.DType != safetensors.F32 {
			return nil, nil, fmt.Errorf("tensor %q: dtype %s, want F32", name, t.DType)
		}
		shape, ok := intShape(t.Shape)
		if !ok {
			return nil, nil, fmt.Errorf("tensor %q: shape %v is too large", name, t.Shape)
		}
		tensors[name] = Tensor{Name: name, Shape: shape, Data: floats(data[t.DataOffsets[0]:t.DataOffsets[1]])}
	}
	return tensors, info.Metadata(), nil
}

// readError says in words what reading less than the promised size means.
func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("truncated while it was being read")
	}
	return fmt.Errorf("read: %w", Reason(err))
}

// headerError says in words why a header was refused. A file cut short inside
// its data is the most common, and the library has no words for it.
func headerError(err error, header []byte, data uint64) error {
	var info safetensors.Metadata
	if info.UnmarshalJSON(bytes.TrimRight(header, " ")) == nil {
		end := uint64(0)
		for _, t := range info.Tensors() {
			end = max(end, t.DataOffsets[0], t.DataOffsets[1])
		}
		switch {
		case end > data:
			return fmt.Errorf("truncated: %d bytes of data, the header lists %d", data, end)
		case end < data:
			return fmt.Errorf("too long: %d bytes of data, the header lists %d", data, end)
		}
	}
	return fmt.Errorf("not a safetensors file: %w", err)
}

// values is the number of values of a shape; false when it has a negative
// length or too many values.
func values(shape []int) (int, bool) {
	n := 1
	for _, length := range shape {
		if length < 0 || length > 0 && n > math.MaxInt/length {
			return 0, false
		}
		n *= length
	}
	return n, true
}

func intShape(shape []uint64) ([]int, bool) {
	out := make([]int, len(shape))
	for i, length := range shape {
		if length > math.MaxInt {
			return nil, false
		}
		out[i] = int(length)
	}
	return out, true
}

func floats(data []byte) []float32 {
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out
}

// view is a Tensor as the library wants it. Bytes are made only when they are
// written, so one tensor at a time is in memory twice.
type view struct{ tensor Tensor }

var _ safetensors.View = view{}

func (v view) DType() safetensors.DType { return safetensors.F32 }

func (v view) Shape() []uint64 {
	out := make([]uint64, len(v.tensor.Shape))
	for i, length := range v.tensor.Shape {
		out[i] = uint64(length)
	}
	return out
}

func (v view) Data() []byte {
	out := make([]byte, 0, v.DataLen())
	for _, value := range v.tensor.Data {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(value))
	}
	return out
}

func (v view) DataLen() uint64 { return 4 * uint64(len(v.tensor.Data)) }
