package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Encoded is a .npy file in memory, the body of a request, whose header was read
// and found to fit what is behind it. Nothing of its size was allocated yet.
type Encoded struct {
	Shape []int // as in [Array]
	Size  int   // values, the product of Shape
	DType string

	dtype   dtype
	fortran bool
	values  []byte
}

// Parse reads the header of a .npy file in memory; data are kept, not copied.
// Archives (.npz) are refused.
func Parse(data []byte) (*Encoded, error) {
	switch {
	case len(data) == 0:
		return nil, errors.New("empty: want a .npy file")
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return nil, errors.New("is a .npz archive, want one array: save it with numpy.save")
	}
	size := int64(len(data))
	l, err := readLayout(bytes.NewReader(data), size)
	if err != nil {
		return nil, err
	}
	return &Encoded{Shape: l.shape, Size: int(l.values), DType: l.dtype.name, dtype: l.dtype, fortran: l.fortran, values: data[l.start:]}, nil
}

// Values puts the values, rounded to float32, into dst in C order; len(dst) must
// be Size.
func (e *Encoded) Values(dst []float32) error {
	if len(dst) != e.Size {
		return fmt.Errorf("room for %d values, want %d", len(dst), e.Size)
	}
	ordered := !e.fortran || len(e.Shape) < 2
	if ordered && e.dtype.descr == "<f4" {
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(e.values[4*i:]))
		}
		return nil
	}
	var order *fortranOrder
	if !ordered {
		order = newFortranOrder(e.Shape)
	}
	for i := range dst {
		at := i
		if order != nil {
			at = order.next()
		}
		value := e.values[i*e.dtype.size:][:e.dtype.size]
		switch {
		case e.dtype.kind == Float:
			dst[at] = e.dtype.float(value)
		case e.dtype.unsigned:
			dst[at] = float32(uint64(e.dtype.integer(value)))
		default:
			dst[at] = float32(e.dtype.integer(value))
		}
	}
	return nil
}

// Append appends to dst what [Write] writes to a file.
func Append(dst []byte, shape []int, data []float32) ([]byte, error) {
	if err := checkShape(shape, len(data)); err != nil {
		return dst, err
	}
	dst = append(dst, encodeHeader("<f4", shape)...)
	for _, v := range data {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst, nil
}
