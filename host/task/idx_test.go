package task

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mdlstm-gpu/host/hostile"
)

// encodeIDX is a file with these lengths and values.
func encodeIDX(values []byte, shape ...int) []byte {
	file := []byte{0, 0, idxBytes, byte(len(shape))}
	for _, length := range shape {
		file = binary.BigEndian.AppendUint32(file, uint32(length))
	}
	return append(file, values...)
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReadIDX(t *testing.T) {
	plain := encodeIDX([]byte{1, 2, 3, 4, 5, 6}, 1, 2, 3)
	for name, file := range map[string][]byte{"plain": plain, "gzip": gzipped(t, plain)} {
		a, err := decodeIDX(bytes.NewReader(file), int64(len(file)), 3)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(a.shape, []int{1, 2, 3}) || !bytes.Equal(a.data, []byte{1, 2, 3, 4, 5, 6}) {
			t.Errorf("%s: got %v %v", name, a.shape, a.data)
		}
		if first, err := decodeIDX(bytes.NewReader(plain), int64(len(plain)), 3); err != nil || first.sha256 != a.sha256 {
			t.Errorf("%s: another hash than the plain file, error %v", name, err)
		}
	}
}

func TestReadIDXRefuses(t *testing.T) {
	good := encodeIDX([]byte{7, 8, 9}, 3)
	packed := gzipped(t, good)
	changed := func(data []byte, at int, v byte) []byte {
		data = slices.Clone(data)
		data[at] = v
		return data
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "is empty"},
		{"two bytes", good[:2], "2 bytes are less"},
		{"no lengths", good[:6], "inside the lengths"},
		{"text", []byte("<html>not found</html>"), "begins with the bytes 3c 68"},
		{"floats", changed(good, 2, 0x0d), "type 0x0d"},
		{"images for labels", encodeIDX([]byte{1}, 1, 1, 1), "3 axes, want 1"},
		{"no labels", encodeIDX(nil, 0), "length 0"},
		{"one value less", good[:len(good)-1], "more values than the 2"},
		{"one value more", append(slices.Clone(good), 1), "more bytes than the 3"},
		{"a length of 4 GiB", changed(good, 4, 0xff), "more values than the 3"},
		{"gzip of too few", gzipped(t, good[:len(good)-1]), "wants 3 values, the file has 2"},
		{"gzip of too many", gzipped(t, append(slices.Clone(good), 1)), "more bytes"},
		{"gzip of a huge length", gzipped(t, changed(good, 4, 0xff)), "more values than"},
		{"truncated gzip", packed[:len(packed)-9], "truncated"},
		{"gzip without its sum", packed[:len(packed)-8], "truncated"},
		{"gzip header", packed[:5], "gzip data is truncated"},
		{"wrong sum", changed(packed, len(packed)-8, packed[len(packed)-8]^1), "gzip data is damaged"},
		{"wrong deflate data", changed(packed, 10, 0xff), "gzip data is damaged"},
		{"behind the gzip data", append(slices.Clone(packed), "tail"...), "gzip data is"},
		{"two gzip members", append(slices.Clone(packed), packed...), "more bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "labels.gz")
			if err := os.WriteFile(path, c.file, 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := readIDX(path, 1)
			checkError(t, err, path+": ")
			checkError(t, err, c.want)
		})
	}
	t.Run("folder", func(t *testing.T) {
		_, err := readIDX(t.TempDir(), 1)
		checkError(t, err, "not a regular file")
	})
	t.Run("nothing", func(t *testing.T) {
		_, err := readIDX("nothing.gz", 1)
		checkError(t, err, "nothing.gz: no such file")
	})
}

// TestBomb: what a compressed file may become is bounded before any of it is made.
func TestBomb(t *testing.T) {
	for size, want := range map[int64]int64{0: 0, 1 << 10: maxInflation << 10, 1 << 21: bombSize, 1 << 30: bombRatio << 30, math.MaxInt64: math.MaxInt64 / maxInflation * bombRatio} {
		if got := inflatedSize(size); got != want {
			t.Errorf("%d bytes: %d, want %d", size, got, want)
		}
	}
	// A header that claims 4 GiB, in a file of 1 MiB and in one that seems to have 8 MiB.
	bomb := gzipped(t, append(encodeIDX(nil, 1<<16, 1<<16, 1), make([]byte, 1<<20)...))
	for _, size := range []int64{int64(len(bomb)), 1 << 20, 8 << 20} {
		hostile.Allocates(t, 1<<20, func() {
			_, err := decodeIDX(bytes.NewReader(bomb), size, 3)
			checkError(t, err, "more values than the")
		})
	}
}

// FuzzReadIDX: an error of one line, or an array that fits its shape and its
// file, and is the same when it is compressed.
func FuzzReadIDX(f *testing.F) {
	for _, file := range [][]byte{
		nil,
		encodeIDX([]byte{1, 2, 3}, 3),
		encodeIDX([]byte{1, 2, 3, 4}, 1, 2, 2),
		encodeIDX(nil, 1<<31, 1<<31, 1<<31),
		gzipped(f, encodeIDX([]byte{1, 2, 3, 4}, 1, 2, 2)),
		gzipped(f, encodeIDX(make([]byte, 4096), 16, 16, 16)),
	} {
		f.Add(file, 1)
		f.Add(file, 3)
	}
	f.Fuzz(func(t *testing.T, file []byte, axes int) {
		if axes < 1 || axes > 3 {
			return
		}
		packed := bytes.HasPrefix(file, []byte("\x1f\x8b"))
		most := int64(len(file))
		if packed {
			most = inflatedSize(most)
		}
		var a *idx
		var err error
		hostile.Allocates(t, 1<<20+most, func() { a, err = decodeIDX(bytes.NewReader(file), int64(len(file)), axes) })
		if err != nil {
			hostile.OneLine(t, err, "")
			return
		}
		n := 1
		for _, length := range a.shape {
			n *= length
		}
		if n != len(a.data) || int64(n) > most || len(a.shape) != axes {
			t.Errorf("shape %v with %d values from %d bytes", a.shape, len(a.data), len(file))
		}
		if packed {
			return
		}
		file = gzipped(t, file)
		b, err := decodeIDX(bytes.NewReader(file), int64(len(file)), axes)
		if err != nil || !slices.Equal(a.shape, b.shape) || !bytes.Equal(a.data, b.data) || a.sha256 != b.sha256 {
			t.Errorf("compressed it is read as %+v (%v), plain as %+v", b, err, a)
		}
	})
}
