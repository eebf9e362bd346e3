package npy

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestParseAgreesWithRead: every golden file gives the shape and the values, or
// the refusal, that Read gives.
func TestParseAgreesWithRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.npy"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, wantErr := Read(path)
			got, err := Parse(data)
			if wantErr != nil {
				if err == nil || !strings.HasSuffix(wantErr.Error(), err.Error()) {
					t.Fatalf("error %v, want that of Read: %v", err, wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			values := slices.Repeat([]float32{float32(math.NaN())}, got.Size)
			if err := got.Values(values); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Shape, want.Shape) || got.DType != want.DType || !sameBits(values, want.Data) {
				t.Errorf("%v %s %v, want %v %s %v", got.Shape, got.DType, values, want.Shape, want.DType, want.Data)
			}
			if err := got.Values(make([]float32, got.Size+1)); err == nil {
				t.Error("another length: no error")
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	archive, err := os.ReadFile(filepath.Join("testdata", "one.npz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "empty"},
		{"archive", archive, "numpy.save"},
		{"text", []byte("1,2,3,4,5,6,7"), "not as a .npy file"},
		{"huge", []byte(rawArray(dict("'<f4'", "False", "(1000000000,)"), 8)), "needs more than the 8 bytes"},
		{"more behind", []byte(rawArray(dict("'<f4'", "False", "(1,)"), 8)), "4 bytes behind the array"},
	} {
		if _, err := Parse(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
}

// TestAppend: what is appended is what Encode writes, behind what was there.
func TestAppend(t *testing.T) {
	shape, x := []int{2, 3}, []float32{1, 2, 3, 4, 5, float32(math.Inf(1))}
	var b strings.Builder
	if err := Encode(&b, shape, x); err != nil {
		t.Fatal(err)
	}
	got, err := Append([]byte("before"), shape, x)
	if err != nil || string(got) != "before"+b.String() {
		t.Errorf("got %q (%v), want %q", got, err, b.String())
	}
	if _, err := Append(nil, shape, x[:5]); err == nil {
		t.Error("five values for a shape of six: no error")
	}
}
