package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"mdlstm-gpu/host/nn/tensorfile"
)

// Write writes a .npy file of float32 in C order, version 1.0, whatever the
// path's ending. The file appears complete or not at all: it is written under a
// temporary name, fsynced and renamed. len(data) must be the product of shape.
func Write(path string, shape []int, data []float32) error {
	if err := checkShape(shape, len(data)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return tensorfile.AtomicWrite(path, func(w io.Writer) error { return Encode(w, shape, data) })
}

// WriteInts is [Write] for int32.
func WriteInts(path string, shape []int, data []int32) error {
	if err := checkShape(shape, len(data)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return tensorfile.AtomicWrite(path, func(w io.Writer) error {
		return encode(w, encodeHeader("<i4", shape), len(data), func(i int) uint32 { return uint32(data[i]) })
	})
}

// Encode writes to w what [Write] writes to a file.
func Encode(w io.Writer, shape []int, data []float32) error {
	if err := checkShape(shape, len(data)); err != nil {
		return err
	}
	return encode(w, encodeHeader("<f4", shape), len(data), func(i int) uint32 { return math.Float32bits(data[i]) })
}

// encode writes a header and the bits of n values.
func encode(w io.Writer, header []byte, n int, bits func(i int) uint32) error {
	if _, err := w.Write(header); err != nil {
		return err
	}
	buf := make([]byte, 0, 1<<15)
	for i := range n {
		buf = binary.LittleEndian.AppendUint32(buf, bits(i))
		if len(buf) == cap(buf) || i == n-1 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	return nil
}

func checkShape(shape []int, values int) error {
	lengths := make([]int64, len(shape))
	for i, length := range shape {
		lengths[i] = int64(length)
	}
	if n, ok := product(lengths, math.MaxInt64/8); !ok || n != int64(values) || len(shape) > maxAxes {
		return fmt.Errorf("shape %v does not fit %d values", shape, values)
	}
	return nil
}

// encodeHeader is all in front of the values. Spaces fill it up to a multiple
// of 64 bytes, so that the values can be mapped, as NumPy does.
func encodeHeader(descr string, shape []int) []byte {
	var dims strings.Builder
	for i, length := range shape {
		if i > 0 {
			dims.WriteString(" ")
		}
		dims.WriteString(strconv.Itoa(length) + ",")
	}
	tuple := dims.String()
	if len(shape) > 1 {
		tuple = strings.TrimSuffix(tuple, ",")
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, tuple)
	const fixed = len(magic) + 4
	for (fixed+len(text)+1)%64 != 0 {
		text += " "
	}
	text += "\n"
	out := append([]byte(magic), 1, 0)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(text)))
	return append(out, text...)
}
