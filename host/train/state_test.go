package train

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/nn/tensorfile"
	"mdlstm-gpu/host/report"
)

// testState is a state with distinct values everywhere.
func testState(t testing.TB) *state {
	t.Helper()
	s, err := newState(testStart(testSettings()))
	if err != nil {
		t.Fatal(err)
	}
	s.step, s.updates, s.logBytes = 5, 4, 321
	for i := range s.m {
		s.m[i], s.v[i] = float32(i), float32(-i)
	}
	return s
}

func TestStateRoundTrip(t *testing.T) {
	want := testState(t)
	want.params[0] = float32(math.Copysign(0, -1))
	want.v[1] = math.SmallestNonzeroFloat32
	var file bytes.Buffer
	if err := want.encode(&file); err != nil {
		t.Fatal(err)
	}
	got, err := decodeState(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if got.step != 5 || got.updates != 4 || got.logBytes != 321 || got.dataHash != "aa11" || got.engine.differs(want.engine) != "" ||
		got.settings.Seed != want.settings.Seed || got.settings.LR != want.settings.LR {
		t.Errorf("got %+v", got)
	}
	if !sameBits(got.params, want.params) || !sameBits(got.m, want.m) || !sameBits(got.v, want.v) {
		t.Error("the values changed")
	}
}

func TestStateFileIsTheContract(t *testing.T) {
	path := filepath.Join(t.TempDir(), stateName)
	s := testState(t)
	if err := (osFiles{}).Write(path, s.encode); err != nil {
		t.Fatal(err)
	}
	tensors, meta, err := tensorfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"format": "mdlstm-state-1", "step": "5", "updates": "4", "log_bytes": "321",
		"seed": "9223372036854775813", "data_sha256": "aa11"} {
		if meta[key] != want {
			t.Errorf("metadata %s %q, want %q", key, meta[key], want)
		}
	}
	if _, err := nn.ParseConfig([]byte(meta["config"])); err != nil {
		t.Error(err)
	}
	if _, err := ParseSettings([]byte(meta["settings"])); err != nil {
		t.Error(err)
	}
	p := s.model.Params[1]
	for i, flat := range [][]float32{s.params, s.m, s.v} {
		if got := tensors[statePrefixes[i]+p.Name]; !slices.Equal(got.Shape, p.Shape) || !sameBits(got.Data, flat[p.Offset:p.Offset+p.Size()]) {
			t.Errorf("tensor %q: %+v", statePrefixes[i]+p.Name, got)
		}
	}
}

func TestEveryFlippedBitIsSeen(t *testing.T) {
	good := encoded(t, validatedState(t))
	bits := 8
	if testing.Short() {
		bits = 2
	}
	for bit := range bits {
		t.Run(strconv.Itoa(bit), func(t *testing.T) {
			t.Parallel()
			bad := slices.Clone(good)
			for i := range bad {
				bad[i] ^= 1 << bit
				if _, err := decodeState(bytes.NewReader(bad), int64(len(bad))); err == nil && !sameMeaning(good, bad, i) {
					t.Fatalf("byte %d of %d, %q to %q, was not seen", i, len(good), good[i], bad[i])
				}
				bad[i] = good[i]
			}
		})
	}
}

// TestEveryTruncationIsDamage: a file that was cut anywhere is damaged, which is a
// reason to take the checkpoint before; so is one with more behind its end.
func TestEveryTruncationIsDamage(t *testing.T) {
	good := encoded(t, validatedState(t))
	for n := range len(good) + 9 {
		bad := append(slices.Clone(good), make([]byte, 9)...)[:n]
		_, err := decodeState(bytes.NewReader(bad), int64(n))
		if n == len(good) {
			if err != nil {
				t.Fatalf("the whole file: %v", err)
			}
			continue
		}
		if !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d of %d bytes: got %v, want damage", n, len(good), err)
		}
		// A file that says to be longer than it is, as a disk may show after a crash.
		if _, err := decodeState(bytes.NewReader(bad), int64(len(good))); n < len(good) && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d of %d bytes, of which the rest cannot be read: got %v, want damage", n, len(good), err)
		}
	}
}

// validatedState is a state with all that a checkpoint may hold.
func validatedState(t testing.TB) *state {
	t.Helper()
	s := testState(t)
	s.valid = &validState{bytes: 55, last: 4, stale: 1, best: report.ValidLine{Step: 2, Loss: 0.5, Error: math.NaN(), LabelError: 0.25},
		params: slices.Clone(s.params)}
	return s
}

func encoded(t testing.TB, s *state) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := s.encode(&file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// sameMeaning says whether a changed byte is a space to the JSON header.
func sameMeaning(good, bad []byte, i int) bool {
	return strings.ContainsRune(" \t\r\n", rune(good[i])) && strings.ContainsRune(" \t\r\n", rune(bad[i]))
}

func TestChecksumCoversAll(t *testing.T) {
	make1 := func() ([]tensorfile.Tensor, map[string]string) {
		return []tensorfile.Tensor{{Name: "a", Shape: []int{2, 1}, Data: []float32{1, 2}}, {Name: "b", Shape: []int{1}, Data: []float32{3}}},
			map[string]string{"k": "v", "l": "w", keyChecksum: "old"}
	}
	tensors, meta := make1()
	want := checksum(tensors, meta)
	meta[keyChecksum] = "new"
	slices.Reverse(tensors)
	if got := checksum(tensors, meta); got != want {
		t.Errorf("%s, want %s: order and the checksum itself do not count", got, want)
	}
	for name, spoil := range map[string]func([]tensorfile.Tensor, map[string]string){
		"value":       func(x []tensorfile.Tensor, _ map[string]string) { x[0].Data[1] = 2.0000002 },
		"sign of 0":   func(x []tensorfile.Tensor, _ map[string]string) { x[1].Data[0] = 0 },
		"shape":       func(x []tensorfile.Tensor, _ map[string]string) { x[0].Shape = []int{1, 2} },
		"name":        func(x []tensorfile.Tensor, _ map[string]string) { x[0].Name = "c" },
		"text":        func(_ []tensorfile.Tensor, m map[string]string) { m["k"] = "x" },
		"moved split": func(_ []tensorfile.Tensor, m map[string]string) { delete(m, "k"); m["kv"] = "" },
		"more":        func(_ []tensorfile.Tensor, m map[string]string) { m["z"] = "" },
	} {
		tensors, meta := make1()
		spoil(tensors, meta)
		if checksum(tensors, meta) == want {
			t.Errorf("%s: the same checksum", name)
		}
	}
}

// TestWholeStateOfAnotherProgram: a file with a right checksum is not damaged,
// so it is no reason to fall back to an older one.
func TestWholeStateOfAnotherProgram(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(map[string]string, []tensorfile.Tensor) []tensorfile.Tensor
		part  string
	}{
		"format": {func(m map[string]string, x []tensorfile.Tensor) []tensorfile.Tensor {
			m[keyFormat] = "mdlstm-state-2"
			return x
		}, "mdlstm-state-2"},
		"setting": {func(m map[string]string, x []tensorfile.Tensor) []tensorfile.Tensor {
			m[keySettings] = strings.Replace(m[keySettings], `"clip"`, `"klip"`, 1)
			return x
		}, "klip"},
		"count": {func(m map[string]string, x []tensorfile.Tensor) []tensorfile.Tensor {
			m[keyUpdates] = "-3"
			return x
		}, `updates "-3"`},
		"engine": {func(m map[string]string, x []tensorfile.Tensor) []tensorfile.Tensor {
			m[keyEngine] = "{"
			return x
		}, "engine"},
		"missing tensor": {func(_ map[string]string, x []tensorfile.Tensor) []tensorfile.Tensor { return x[1:] }, "tensors, want"},
		"other tensor": {func(_ map[string]string, x []tensorfile.Tensor) []tensorfile.Tensor {
			x[0].Name = "x"
			return x
		}, `is missing`},
		"other shape": {func(_ map[string]string, x []tensorfile.Tensor) []tensorfile.Tensor {
			x[0].Shape = []int{len(x[0].Data)}
			return x
		}, "shape"},
		"a model larger than the file": {func(m map[string]string, x []tensorfile.Tensor) []tensorfile.Tensor {
			m[keySettings] = strings.Replace(m[keySettings], `"hidden":2`, `"hidden":10000`, 1)
			return x
		}, "shape"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), stateName)
			if err := (osFiles{}).Write(path, testState(t).encode); err != nil {
				t.Fatal(err)
			}
			byName, meta, err := tensorfile.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			var tensors []tensorfile.Tensor
			for _, x := range testState(t).tensors() {
				tensors = append(tensors, byName[x.Name])
			}
			tensors = c.spoil(meta, tensors)
			meta[keyChecksum] = checksum(tensors, meta)
			if err := (osFiles{}).Write(path, func(w io.Writer) error { return tensorfile.Encode(w, tensors, meta) }); err != nil {
				t.Fatal(err)
			}
			_, err = loadState(path)
			wantMessage(t, err, nil, path, c.part)
			if errors.Is(err, ErrDamaged) {
				t.Errorf("%q is called damage", err)
			}
		})
	}
}

func TestForeignStateIsNotReplacedByTheOneBefore(t *testing.T) {
	r := newRun(t, testSettings())
	if err := trainFake(t, r); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := os.Remove(r.path(prevName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.path(stateName), r.path(prevName)); err != nil {
		t.Fatal(err)
	}
	meta := map[string]string{keyFormat: "mdlstm-state-9"}
	meta[keyChecksum] = checksum(nil, meta)
	if err := tensorfile.Write(r.path(stateName), nil, meta); err != nil {
		t.Fatal(err)
	}
	_, err := Open(r.Dir(), Changes{})
	wantMessage(t, err, nil, r.path(stateName), "mdlstm-state-9")
	if entries, err := os.ReadDir(r.Dir()); err != nil || len(entries) != 6 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestNonFiniteState(t *testing.T) {
	for want, spoil := range map[string]func(*state){
		"":                             func(*state) {},
		"parameter layers.0.weight_ih": func(s *state) { s.params[3] = float32(math.NaN()) },
		"moment m.layers.0.weight_ih":  func(s *state) { s.m[0] = float32(math.Inf(-1)) },
		"moment v." + lastName(t):      func(s *state) { s.v[len(s.v)-1] = float32(math.Inf(1)) },
	} {
		s := testState(t)
		s.m[1] = math.MaxFloat32
		spoil(s)
		if got := s.nonFinite(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func lastName(t *testing.T) string {
	params := testState(t).model.Params
	return params[len(params)-1].Name
}
