package npy

import (
	"fmt"

	"mdlstm-gpu/host/mapped"
)

// Kind says what the values of a file were, before they became float32.
type Kind int

// The kinds of values. Booleans are integers 0 and 1.
const (
	Float Kind = iota
	Int
)

// Array is one array in C order: the last axis is the fastest.
type Array struct {
	// Shape has one length an axis, each at least 0; empty for a single value.
	Shape []int
	// Data [product of Shape] holds the values rounded to float32. It may hold
	// NaN and infinities, those of the file and float64 values beyond float32.
	Data []float32
	// Kind and DType are what the file held: DType is NumPy's name, "float64".
	Kind  Kind
	DType string
	// SHA256 is the hash of the .npy file, or of the .npy file inside a .npz; of
	// a mapped file it is zero.
	SHA256 [32]byte

	file *mapped.Floats // what Data is; nil when it is in memory

	// exact holds integers of which one at least is not exact in float32; nil
	// when Data is exact.
	exact []int64
}

// Ints returns the values of an array of integers, exact up to 64 bits, in a new
// slice. It is an error when the file held floats.
func (a *Array) Ints() ([]int64, error) {
	if err := a.CheckInts(); err != nil {
		return nil, err
	}
	ints := make([]int64, len(a.Data))
	for i := range ints {
		ints[i] = a.Int(i)
	}
	return ints, nil
}

// CheckInts says whether the file held integers: only then Int has a meaning.
func (a *Array) CheckInts() error {
	if a.Kind != Int {
		return fmt.Errorf("holds %s, want integers: save it with .astype(numpy.int64)", a.DType)
	}
	return nil
}

// Int is value i of Data, exact up to 64 bits, of an array of integers.
func (a *Array) Int(i int) int64 {
	if a.exact != nil {
		return a.exact[i]
	}
	return int64(a.Data[i])
}

// product is the number of values of a shape; ok is false when it is above limit
// or a length is negative.
func product(shape []int64, limit int64) (n int64, ok bool) {
	n = 1
	for _, length := range shape {
		if length < 0 {
			return 0, false
		}
		if length == 0 {
			n = 0
		}
	}
	for _, length := range shape {
		if n == 0 {
			break
		}
		if length > limit/n {
			return 0, false
		}
		n *= length
	}
	return n, true
}
