package tensorfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mdlstm-gpu/host/hostile"
)

// file puts a header and data into one content.
func file(header string, data ...byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), data...)
}

func TestRoundTrip(t *testing.T) {
	tensors := []Tensor{
		{Name: "b.weight", Shape: []int{2, 3}, Data: []float32{0, 1, -2, math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Inf(1))}},
		{Name: "a", Shape: []int{1}, Data: []float32{7}},
		{Name: "scalar", Shape: []int{}, Data: []float32{8}},
		{Name: "empty", Shape: []int{3, 0}, Data: []float32{}},
		{Name: "näme \"<quoted>\"", Shape: []int{1, 1, 1}, Data: []float32{9}},
	}
	for _, meta := range []map[string]string{nil, {"step": "12", "json": `{"a": "<b>", "c": [1]}`, "": ""}} {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := Write(path, tensors, meta); err != nil {
			t.Fatal(err)
		}
		got, gotMeta, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]Tensor{}
		for _, tensor := range tensors {
			want[tensor.Name] = tensor
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("got (-) and want (+):\n%s", diff)
		}
		if diff := cmp.Diff(gotMeta, meta); diff != "" {
			t.Errorf("metadata: got (-) and want (+):\n%s", diff)
		}
	}
}

// TestNaNKeepsItsBits: a checkpoint gets back what it stored.
func TestNaNKeepsItsBits(t *testing.T) {
	var b bytes.Buffer
	nan := math.Float32frombits(0x7fc01234)
	if err := Encode(&b, []Tensor{{Name: "x", Shape: []int{1}, Data: []float32{nan}}}, nil); err != nil {
		t.Fatal(err)
	}
	tensors, _, err := Decode(&b, int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if got := math.Float32bits(tensors["x"].Data[0]); got != 0x7fc01234 {
		t.Errorf("got %#x, want 0x7fc01234", got)
	}
}

func TestEncodeGolden(t *testing.T) {
	var b bytes.Buffer
	err := Encode(&b, []Tensor{{Name: "y", Shape: []int{1}, Data: []float32{2}}, {Name: "x", Shape: []int{1, 1}, Data: []float32{1}}}, map[string]string{"k": "v"})
	if err != nil {
		t.Fatal(err)
	}
	header := `{"__metadata__":{"k":"v"},"x":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	if want := file(header, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40); !bytes.Equal(b.Bytes(), want) {
		t.Errorf("got  %q\nwant %q", b.Bytes(), want)
	}
}

func TestEncodeRefuses(t *testing.T) {
	one := []float32{1}
	for _, test := range []struct {
		name    string
		tensors []Tensor
		meta    map[string]string
		want    string
	}{
		{"twice", []Tensor{{"x", []int{1}, one}, {"x", []int{1}, one}}, nil, `tensor "x": given twice`},
		{"reserved", []Tensor{{"__metadata__", []int{1}, one}}, nil, `tensor "__metadata__": not a name`},
		{"name not UTF-8", []Tensor{{"\xff", []int{1}, one}}, nil, `tensor "\xff": not a name`},
		{"too few values", []Tensor{{"x", []int{2, 3}, one}}, nil, `tensor "x": 1 values do not fill the shape [2 3]`},
		{"negative", []Tensor{{"x", []int{-1, -1}, one}}, nil, "do not fill the shape [-1 -1]"},
		{"overflow", []Tensor{{"x", []int{1 << 32, 1 << 32}, nil}}, nil, "0 values do not fill the shape"},
		{"metadata not UTF-8", nil, map[string]string{"k": "\xff"}, `metadata "k": not UTF-8`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			checkError(t, Encode(&b, test.tensors, test.meta), test.want)
			if b.Len() > 0 {
				t.Errorf("wrote %d bytes before the error", b.Len())
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	four := []byte{0, 0, 0, 0}
	eight := make([]byte, 8)
	for _, test := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "got 0 bytes, want 8 or more"},
		{"7 bytes", make([]byte, 7), "got 7 bytes"},
		{"text", []byte("this is a letter to a friend"), "truncated, or not a safetensors file"},
		{"header longer than the file", file("{}")[:9], "header of 2 bytes in a file of 9"},
		{"header of 2^64-1", append(bytes.Repeat([]byte{0xff}, 8), "{}"...), "header of 18446744073709551615 bytes in a file of 10"},
		{"header of 0", make([]byte, 8), "not a safetensors file"},
		{"not JSON", file("{x}"), "not a safetensors file"},
		{"list", file("[]"), "not a safetensors file"},
		{"tensor is null", file(`{"x":null}`), `tensor "x"`},
		{"cut off", file(`{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, four...), "truncated: 4 bytes of data, the header lists 8"},
		{"too long", file(`{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, eight...), "too long: 8 bytes of data, the header lists 4"},
		{"float64", file(`{"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`, eight...), `tensor "x": dtype F64, want F32`},
		{"unknown dtype", file(`{"x":{"dtype":"F8","shape":[1],"data_offsets":[0,4]}}`, four...), "F8"},
		{"shape against offsets", file(`{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, four...), "mismatch"},
		{"negative shape", file(`{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, four...), "natural numbers"},
		{"shape overflows", file(`{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`), "overflow"},
		{"shape beyond int", file(`{"x":{"dtype":"F32","shape":[9223372036854775808,0],"data_offsets":[0,0]}}`), "too large"},
		{"overlap", file(`{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, four...), "offset"},
		{"gap", file(`{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, eight...), "offset"},
		{"backwards", file(`{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, four...), "offset"},
		{"name twice", file(`{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, eight...), "offset"},
		{"metadata not strings", file(`{"__metadata__":{"a":1}}`), "expected string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tensors, meta, err := Decode(bytes.NewReader(test.content), int64(len(test.content)))
			checkError(t, err, test.want)
			if tensors != nil || meta != nil {
				t.Error("got a result beside the error")
			}
		})
	}
}

// TestDecodeShrunk: the file became shorter after its size was asked.
func TestDecodeShrunk(t *testing.T) {
	content := file(`{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 0, 0, 0, 0)
	for _, n := range []int{0, 5, 8, 20, len(content) - 1} {
		_, _, err := Decode(bytes.NewReader(content[:n]), int64(len(content)))
		checkError(t, err, "truncated while it was being read")
	}
	broken := errors.New("broken disk")
	_, _, err := Decode(io.MultiReader(bytes.NewReader(content[:20]), failing{broken}), int64(len(content)))
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct{ name, path, want string }{
		{"missing", filepath.Join(dir, "no", "such"), "load " + filepath.Join(dir, "no", "such") + ": no such file or directory"},
		{"folder", dir, "load " + dir + ": not a regular file"},
		{"device", os.DevNull, "load " + os.DevNull + ": not a regular file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := Read(test.path)
			checkError(t, err, test.want)
		})
	}
}

// FuzzDecode wants an error or tensors that survive a round trip.
func FuzzDecode(f *testing.F) {
	f.Add(file(`{"__metadata__":{"k":"v"},"x":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}`, 0, 0, 0x80, 0x3f))
	f.Add(file(`{"x":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"y":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, make([]byte, 12)...))
	f.Add(file(`{"x":{"dtype":"F32","shape":[0,9],"data_offsets":[0,0]}}`))
	f.Add(file(`{"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}`, make([]byte, 8)...))
	f.Add(file(`{}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		var tensors map[string]Tensor
		var meta map[string]string
		var err error
		// A header of JSON takes most for its bytes.
		hostile.Allocates(t, 1<<20+256*int64(len(content)), func() { tensors, meta, err = Decode(bytes.NewReader(content), int64(len(content))) })
		if err != nil {
			hostile.OneLine(t, err, "")
			return
		}
		var list []Tensor
		bytesOfData := 0
		for name, tensor := range tensors {
			if name != tensor.Name {
				t.Errorf("tensor %q is listed as %q", tensor.Name, name)
			}
			list = append(list, tensor)
			bytesOfData += 4 * len(tensor.Data)
		}
		if bytesOfData > len(content) {
			t.Errorf("%d bytes of data from a file of %d", bytesOfData, len(content))
		}
		var again bytes.Buffer
		if err := Encode(&again, list, meta); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		var third bytes.Buffer
		back, backMeta, err := Decode(bytes.NewReader(again.Bytes()), int64(again.Len()))
		if err != nil || len(back) != len(tensors) || len(backMeta) != len(meta) {
			t.Fatalf("what was written is read as %d tensors, %d metadata, %v", len(back), len(backMeta), err)
		}
		list = list[:0]
		for _, tensor := range back {
			list = append(list, tensor)
		}
		if err := Encode(&third, list, backMeta); err != nil || !bytes.Equal(third.Bytes(), again.Bytes()) {
			t.Errorf("the second file differs from the first: %v", err)
		}
	})
}

// checkError wants one line that has a fragment.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want %q", want)
	}
	if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "\n") {
		t.Errorf("got %q, want one line with %q", text, want)
	}
}
