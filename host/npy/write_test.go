package npy

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWriteRead(t *testing.T) {
	many := make([]float32, 20000) // more than one buffer
	for i := range many {
		many[i] = float32(i) / 3
	}
	tests := []struct {
		name  string
		shape []int
		data  []float32
	}{
		{"scalar", []int{}, []float32{1.5}},
		{"one axis", []int{3}, []float32{1, float32(math.NaN()), float32(math.Inf(-1))}},
		{"no values", []int{2, 0, 4}, nil},
		{"four axes", []int{2, 3, 4, 5}, counting(120)},
		{"several buffers", []int{200, 100}, many},
		{"long header", slices.Repeat([]int{1}, 40), []float32{1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "y.npy")
			if err := Write(path, test.shape, test.data); err != nil {
				t.Fatal(err)
			}
			a, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a.Shape, test.shape) || !sameBits(a.Data, test.data) || a.DType != "float32" {
				t.Errorf("got %v of %s", a.Shape, a.DType)
			}
			info, err := os.Stat(path)
			if err != nil || (info.Size()-4*int64(len(test.data)))%64 != 0 {
				t.Errorf("values do not begin at a multiple of 64: %v, %v", info.Size(), err)
			}
		})
	}
}

// TestWriteAsNumPy wants NumPy's own file, byte for byte.
func TestWriteInts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "y.npy")
	want := []int64{0, -1, math.MaxInt32, math.MinInt32, 255, 7}
	data := make([]int32, len(want))
	for i, v := range want {
		data[i] = int32(v)
	}
	if err := WriteInts(path, []int{2, 3}, data); err != nil {
		t.Fatal(err)
	}
	a, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := a.Ints(); err != nil || !slices.Equal(got, want) || !slices.Equal(a.Shape, []int{2, 3}) || a.DType != "int32" {
		t.Errorf("got %v of %s, shape %v (error %v), want %v", got, a.DType, a.Shape, err, want)
	}
	if err := WriteInts(path, []int{2, 2}, data); err == nil {
		t.Error("6 values fit the shape [2 2]")
	}
}

func TestWriteAsNumPy(t *testing.T) {
	want, err := os.ReadFile("testdata/f4.npy")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "y.npy")
	if err := Write(path, []int{2, 3, 4}, counting(24)); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWriteRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "y.npy")
	for _, shape := range [][]int{{2, 3}, {-1, -5}, {math.MaxInt, 2}, slices.Repeat([]int{1}, 65)} {
		if err := Write(path, shape, make([]float32, 5)); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("shape %v: got %v, want an error that names %s", shape, err, path)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused array left a file: %v", err)
	}
	if err := Write(filepath.Join(path, "no", "y.npy"), nil, []float32{1}); err == nil {
		t.Error("a missing folder gave no error")
	}
}
