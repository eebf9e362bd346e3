package npy

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/hostile"
)

// sameBits compares floats as bits, so that NaN equals NaN and 0 is not -0.
func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool {
		return math.Float32bits(x) == math.Float32bits(y) || x != x && y != y
	})
}

func TestSameBits(t *testing.T) {
	nan, negative := float32(math.NaN()), float32(math.Copysign(0, -1))
	if !sameBits([]float32{nan, negative}, []float32{nan, negative}) {
		t.Error("NaN and -0 differ from themselves")
	}
	for name, b := range map[string][]float32{"sign of zero": {nan, 0}, "NaN": {0, negative}, "length": {nan}} {
		if sameBits([]float32{nan, negative}, b) {
			t.Errorf("%s: not noticed", name)
		}
	}
}

func counting(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(i)
	}
	return out
}

func TestReadGolden(t *testing.T) {
	grid := []int{2, 3, 4}
	odd := make([]float32, 24)
	for i := range odd {
		odd[i] = float32(i % 2)
	}
	inf := float32(math.Inf(1))
	tests := []struct {
		path  string
		dtype string
		kind  Kind
		shape []int
		data  []float32
	}{
		{"f4", "float32", Float, grid, counting(24)},
		{"f4_big", "float32", Float, grid, counting(24)},
		{"f8", "float64", Float, grid, counting(24)},
		{"f8_big", "float64", Float, grid, counting(24)},
		{"i1", "int8", Int, grid, counting(24)},
		{"u1", "uint8", Int, grid, counting(24)},
		{"i2", "int16", Int, grid, counting(24)},
		{"i2_big", "int16", Int, grid, counting(24)},
		{"u2", "uint16", Int, grid, counting(24)},
		{"u2_big", "uint16", Int, grid, counting(24)},
		{"i4", "int32", Int, grid, counting(24)},
		{"i4_big", "int32", Int, grid, counting(24)},
		{"u4", "uint32", Int, grid, counting(24)},
		{"u4_big", "uint32", Int, grid, counting(24)},
		{"i8", "int64", Int, grid, counting(24)},
		{"i8_big", "int64", Int, grid, counting(24)},
		{"u8", "uint64", Int, grid, counting(24)},
		{"u8_big", "uint64", Int, grid, counting(24)},
		{"bool", "bool", Int, grid, odd},
		{"fortran", "float32", Float, grid, counting(24)},
		{"fortran_big", "int32", Int, grid, counting(24)},
		{"version2", "float32", Float, grid, counting(24)},
		{"version3", "float32", Float, grid, counting(24)},
		{"scalar", "float32", Float, []int{}, []float32{7}},
		{"empty", "float32", Float, []int{0, 5}, []float32{}},
		{"signed", "int8", Int, []int{4}, []float32{-128, -1, 0, 127}},
		{"large", "int64", Int, []int{4}, []float32{1, 1 << 24, 1 << 24, -(1 << 62)}},
		{"special", "float64", Float, []int{6},
			[]float32{float32(math.NaN()), inf, -inf, float32(math.Copysign(0, -1)), 0.1, inf}},
		{"one.npz", "float32", Float, grid, counting(24)},
		{"one.npz:x", "float32", Float, grid, counting(24)},
		{"two.npz:y", "int64", Int, grid, counting(24)},
		{"two.npz:y.npy", "int64", Int, grid, counting(24)},
		{"packed.npz", "float32", Float, []int{64, 64}, make([]float32, 64*64)},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			path := filepath.Join("testdata", test.path)
			if !strings.Contains(path, ".npz") {
				path += ".npy"
			}
			a, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if a.DType != test.dtype || a.Kind != test.kind || !slices.Equal(a.Shape, test.shape) {
				t.Errorf("got %s, kind %d, shape %v, want %s, kind %d, shape %v",
					a.DType, a.Kind, a.Shape, test.dtype, test.kind, test.shape)
			}
			if !sameBits(a.Data, test.data) {
				t.Errorf("got %v, want %v", a.Data, test.data)
			}
			ints, err := a.Ints()
			if test.kind == Float {
				if err == nil {
					t.Error("Ints of floats gave no error")
				}
				return
			}
			if err != nil || len(ints) != len(a.Data) {
				t.Fatalf("Ints: %d values, error %v", len(ints), err)
			}
			for i, v := range ints {
				if float32(v) != a.Data[i] {
					t.Errorf("Ints[%d] is %d, data %g", i, v, a.Data[i])
				}
			}
		})
	}
}

func TestIntsExact(t *testing.T) {
	a, err := Read("testdata/large.npy")
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Ints()
	if want := []int64{1, 1 << 24, 1<<24 + 1, -(1 << 62) - 1}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestSHA256(t *testing.T) {
	file, err := os.ReadFile("testdata/f4.npy")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"testdata/f4.npy", "testdata/one.npz", "testdata/two.npz:x"} {
		a, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if a.SHA256 != sha256.Sum256(file) {
			t.Errorf("%s: not the hash of f4.npy", path)
		}
	}
}

// rawArray is a .npy file of version 1.0 with any header and values.
func rawArray(header string, values int) string {
	b := binary.LittleEndian.AppendUint16([]byte(magic+"\x01\x00"), uint16(len(header)))
	return string(b) + header + strings.Repeat("\x00", values)
}

func dict(descr, order, shape string) string {
	return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + "}"
}

func TestReadRefuses(t *testing.T) {
	f4 := dict("'<f4'", "False", "(2, 3)")
	tests := []struct {
		name, file, want string
	}{
		{"empty", "", "empty"},
		{"text", "hello, world", `begins with "hello,"`},
		{"pickle", "\x80\x04\x95abc", "Python pickle"},
		{"magic cut", magic[:3], "truncated"},
		{"version cut", magic + "\x01", "truncated: 7 bytes end inside the version"},
		{"length cut", magic + "\x01\x00\x10", "inside the header's length"},
		{"version 2 length cut", magic + "\x02\x00\x10\x00\x00", "inside the header's length"},
		{"version 4", magic + "\x04\x00\x10\x00\x00\x00", "format version 4.0"},
		{"header cut", rawArray(f4, 0)[:30], "truncated: the header has"},
		{"header of 4 GiB", magic + "\x02\x00\xff\xff\xff\xff" + f4, "truncated: the header has 4294967295 bytes"},
		{"header over the limit", magic + "\x02\x00\x01\x00\x01\x00" + strings.Repeat(" ", 1<<16+1), "want at most 65536"},
		{"header is no dict", rawArray("[1]", 0), `want "{"`},
		{"header is empty", rawArray("", 0), `has nothing, want "{"`},
		{"header without an end", rawArray("{'descr': '<f4'", 0), `want "}"`},
		{"string without an end", rawArray("{'descr", 0), "a string without an end"},
		{"key twice", rawArray("{'shape': (), 'shape': ()}", 0), `"shape" twice`},
		{"key unknown", rawArray("{'order': 1}", 0), `unknown key "order"`},
		{"key missing", rawArray("{'descr': '<f4', 'shape': ()}", 4), `lacks "fortran_order"`},
		{"behind the dict", rawArray(f4+"x", 24), "behind its end"},
		{"order", rawArray(dict("'<f4'", "1", "(2,)"), 8), "want True or False"},
		{"shape is a list", rawArray(dict("'<f4'", "False", "[2]"), 8), `want "("`},
		{"shape negative", rawArray(dict("'<f4'", "False", "(-1,)"), 8), "integer of at least 0"},
		{"shape beyond 64 bits", rawArray(dict("'<f4'", "False", "(99999999999999999999,)"), 8), "integer of at least 0"},
		{"shape text", rawArray(dict("'<f4'", "False", "(a,)"), 8), "integer of at least 0"},
		{"shape without an end", rawArray("{'shape': (1, 2", 0), `want ")"`},
		{"shape overflows", rawArray(dict("'<f4'", "False", "(4294967296, 4294967296)"), 8), "truncated"},
		{"shape overflows to 0", rawArray(dict("'<f4'", "False", "(9223372036854775807, 2, 2)"), 8), "truncated"},
		{"shape huge", rawArray(dict("'<f4'", "False", "(1000000000,)"), 8), "needs more than the 8 bytes"},
		{"too many axes", rawArray(dict("'<f4'", "False", "("+strings.Repeat("1,", 65)+")"), 4), "more than 64 axes"},
		{"one byte missing", rawArray(f4, 23), "truncated: shape [2 3] of float32 needs more than the 23 bytes"},
		{"one byte too many", rawArray(f4, 25), "1 bytes behind the array"},
		{"dtype empty", rawArray(dict("''", "False", "()"), 0), `dtype ""`},
		{"dtype without order", rawArray(dict("'f4'", "False", "()"), 4), `dtype "f4"`},
		{"dtype f4 without order", rawArray(dict("'|f4'", "False", "()"), 4), `dtype "|f4"`},
		{"dtype f16", rawArray(dict("'<f16'", "False", "()"), 16), ".astype(numpy.float32)"},
		{"uint64 over int64", rawArray(dict("'<u8'", "False", "(1,)"), 0) + strings.Repeat("\xff", 8), "18446744073709551615"},
		{"zip cut", "PK\x03\x04abc", "truncated or no .npz archive"},
		{"zip empty", string(makeZip(t)), "holds no array"},
		{"zip of an array each sample", string(makeZip(t, member{name: "a.npy"}, member{name: "b.npy"}, member{name: "c.npy"}, member{name: "d.npy"})),
			`"d": name one, file.npz:a; samples of unequal sizes are one array too: pad to one shape and give the true sizes with --sizes S.npy [B, D]`},
		{"zip of text", string(makeZip(t, member{name: "a.txt", data: "hello, world"})), `array "a.txt": begins with`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.npy")
			if err := os.WriteFile(path, []byte(test.file), 0o666); err != nil {
				t.Fatal(err)
			}
			checkRefused(t, path, test.want)
		})
	}
}

func TestReadRefusesGolden(t *testing.T) {
	for path, want := range map[string]string{
		"object.npy":    "pickled Python objects (dtype object), which are never read: save one array of numbers; samples of unequal sizes: pad to one shape and give the true sizes with --sizes S.npy [B, D]",
		"complex.npy":   "complex numbers",
		"string.npy":    "strings",
		"bytes.npy":     "strings",
		"half.npy":      ".astype(numpy.float32)",
		"record.npy":    "structured dtype",
		"date.npy":      `dtype "<M8[D]"`,
		"two.npz":       `arrays "x", "y": name one, file.npz:x`,
		"two.npz:z":     `no array "z", only "x", "y"`,
		"two.npz:":      "names no array",
		"missing.npy":   "no such file",
		"missing.npz:x": "no such file",
		".":             "not a regular file",
	} {
		t.Run(path, func(t *testing.T) { checkRefused(t, "testdata/"+path, want) })
	}
}

// checkRefused wants an error of one line that begins with the path.
func checkRefused(t *testing.T, path, want string) {
	t.Helper()
	a, err := Read(path)
	if err == nil {
		t.Fatalf("no error, got shape %v of %s", a.Shape, a.DType)
	}
	text := err.Error()
	if !strings.HasPrefix(text, path+": ") || !strings.Contains(text, want) || strings.Contains(text, "\n") {
		t.Errorf("got %q, want %q in one line after the path", text, want)
	}
}

type member struct {
	name, data string
	edit       func(*zip.FileHeader)
}

// makeZip writes members raw, so that their headers may lie.
func makeZip(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Store,
			CompressedSize64: uint64(len(m.data)), UncompressedSize64: uint64(len(m.data))}
		if m.edit != nil {
			m.edit(h)
		}
		out, err := w.CreateRaw(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(m.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestZipRefuses(t *testing.T) {
	good := rawArray(dict("'<f4'", "False", "(2,)"), 8)
	tests := []struct {
		name string
		zip  []byte
		key  string
		want string
	}{
		{"twice", makeZip(t, member{name: "x.npy", data: good}, member{name: "x.npy", data: good}), "x", "twice"},
		{"wrong CRC", makeZip(t, member{"x.npy", good, func(h *zip.FileHeader) { h.CRC32 = 1 }}), "x", "damaged"},
		{"stored size lies", makeZip(t, member{"x.npy", good, func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 40 }}), "x", "cannot hold"},
		{"deflate beyond its ratio", makeZip(t, member{"x.npy", good, func(h *zip.FileHeader) {
			h.Method, h.UncompressedSize64 = zip.Deflate, 1<<20
		}}), "x", "cannot hold"},
		{"larger than the archive", makeZip(t, member{"x.npy", good, func(h *zip.FileHeader) {
			h.Method, h.CompressedSize64, h.UncompressedSize64 = zip.Deflate, 1<<30, 1<<30
		}}), "x", "truncated: it claims"},
		{"bomb", makeZip(t, member{"x.npy", strings.Repeat("\x00", 4<<20), func(h *zip.FileHeader) {
			h.Method, h.UncompressedSize64 = zip.Deflate, 2<<30
		}}), "x", "savez_compressed"},
		{"encrypted", makeZip(t, member{"x.npy", good, func(h *zip.FileHeader) { h.Flags = 1 }}), "x", "encrypted"},
		{"unknown method", makeZip(t, member{"x.npy", good, func(h *zip.FileHeader) { h.Method = 99 }}), "x", "cannot be opened"},
		{"not deflate", makeZip(t, member{"x.npy", "\xff\xff\xff" + good, func(h *zip.FileHeader) { h.Method = zip.Deflate }}), "x", "reading the version"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.npz")
			if err := os.WriteFile(path, test.zip, 0o666); err != nil {
				t.Fatal(err)
			}
			if a, err := Read(path + ":" + test.key); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v, want an error with %q", a, err, test.want)
			}
		})
	}
}

// TestReadAllocates holds the reader to its promise: hostile lengths cost an
// error, not memory.
func TestReadAllocates(t *testing.T) {
	for name, file := range map[string]string{
		"header": magic + "\x02\x00\xff\xff\xff\x7f",
		"shape":  rawArray(dict("'|u1'", "False", "(1000000000,)"), 1),
		"zip": string(makeZip(t, member{"x.npy", "abc", func(h *zip.FileHeader) {
			h.Method, h.UncompressedSize64 = zip.Deflate, 1<<40
		}})),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := decode(strings.NewReader(file), int64(len(file)), "")
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("no error")
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
				t.Errorf("allocated %d bytes, want less than 1 MiB", got)
			}
		})
	}
}

// FuzzRead: an error of one line, or an array that fits its file and survives
// being written.
func FuzzRead(f *testing.F) {
	for _, data := range goldens(f, "testdata/*.np[yz]") {
		f.Add(data, "")
		f.Add(data, "x")
	}
	f.Fuzz(func(t *testing.T, data []byte, key string) {
		// float32 and, for large integers, int64 of each value; growth of zip's lists.
		most := int64(1<<20 + 32*len(data))
		if bytes.HasPrefix(data, []byte("PK")) {
			most += 12 * maxRatio * int64(len(data))
		}
		var a *Array
		var err error
		hostile.Allocates(t, most, func() { a, err = decode(bytes.NewReader(data), int64(len(data)), key) })
		if err != nil {
			hostile.OneLine(t, err, "")
			return
		}
		n := 1
		for _, length := range a.Shape {
			n *= length
		}
		if n != len(a.Data) {
			t.Fatalf("shape %v, %d values", a.Shape, len(a.Data))
		}
		if len(a.Data) > maxRatio*len(data) {
			t.Fatalf("%d bytes gave %d values", len(data), len(a.Data))
		}
		// What was read survives being written.
		var buf bytes.Buffer
		if err := Encode(&buf, a.Shape, a.Data); err != nil {
			t.Fatal(err)
		}
		b, err := decode(bytes.NewReader(buf.Bytes()), int64(buf.Len()), "")
		if err != nil || !slices.Equal(a.Shape, b.Shape) || !sameBits(a.Data, b.Data) {
			t.Fatalf("wrote %v %v, read %v, %v", a.Shape, a.Data, b, err)
		}
	})
}

// FuzzParse: of a .npy file, the body of a request and a mapped file are what
// Read makes of it. Only Read refuses integers beyond int64.
func FuzzParse(f *testing.F) {
	for _, data := range goldens(f, "testdata/*.npy") {
		f.Add(data)
	}
	path := filepath.Join(f.TempDir(), "x.npy")
	f.Fuzz(func(t *testing.T, data []byte) {
		a, readErr := decode(bytes.NewReader(data), int64(len(data)), "")
		var e *Encoded
		var err error
		hostile.Allocates(t, 64<<10+2*maxHeader, func() { e, err = Parse(data) })
		switch {
		case err != nil && readErr == nil && !bytes.HasPrefix(data, []byte("PK")):
			t.Errorf("Parse: %v; Read takes it", err)
		case err != nil:
			hostile.OneLine(t, err, "")
		case e.Size > len(data):
			t.Fatalf("%d values in %d bytes", e.Size, len(data))
		default:
			values := make([]float32, e.Size)
			if err := e.Values(values); err != nil {
				t.Fatal(err)
			}
			if readErr != nil && !strings.Contains(readErr.Error(), "above the largest int64") {
				t.Errorf("Read: %v; Parse takes it", readErr)
			}
			if readErr == nil && (!slices.Equal(e.Shape, a.Shape) || !sameBits(values, a.Data)) {
				t.Errorf("Parse: %v %v, Read: %v %v", e.Shape, values, a.Shape, a.Data)
			}
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		m, err := Open(path)
		if (err == nil) != (readErr == nil) {
			t.Fatalf("Open: %v, Read: %v", err, readErr)
		}
		if err != nil {
			hostile.OneLine(t, err, path+": ")
			return
		}
		if !slices.Equal(m.Shape, a.Shape) || !sameBits(m.Data, a.Data) {
			t.Errorf("Open: %v %v, Read: %v %v", m.Shape, m.Data, a.Shape, a.Data)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

// goldens are the files of a pattern, which there must be.
func goldens(f *testing.F, pattern string) (contents [][]byte) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		contents = append(contents, data)
	}
	return contents
}
