//go:build linux || darwin

package mapped

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTemp(t *testing.T) {
	folder := t.TempDir()
	f, err := Temp(folder, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("the folder shows %v (error %v), want nothing", left, err)
	}
	if len(f.Data) != 100_000 {
		t.Fatalf("%d values, want 100000", len(f.Data))
	}
	for i := range f.Data {
		if f.Data[i] != 0 {
			t.Fatalf("value %d is %v, want 0", i, f.Data[i])
		}
		f.Data[i] = float32(i)
	}
	for i, v := range f.Data {
		if v != float32(i) {
			t.Fatalf("value %d is %v", i, v)
		}
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestCreateThenOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "values")
	if err := os.WriteFile(path, []byte("12345678"), 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := Create(file, 8, 3)
	if err != nil {
		t.Fatal(err)
	}
	copy(w.Data, []float32{1, -2, 3})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if want := "12345678\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\x40\x40"; err != nil || string(text) != want {
		t.Errorf("the file holds %q (error %v), want %q", text, err, want)
	}
	r, err := Open(file, 12, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(r.Data) != 2 || r.Data[0] != -2 || r.Data[1] != 3 {
		t.Errorf("got %v, want [-2 3]", r.Data)
	}
	for name, at := range map[string][2]int64{"beyond the end": {12, 3}, "no values": {8, 0}, "unaligned": {6, 1}, "before": {-4, 1}, "too many": {8, 1 << 61}} {
		if f, err := Open(file, at[0], at[1]); err == nil {
			f.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

// TestNoRoom: no disk is that large, and nothing is left behind.
func TestNoRoom(t *testing.T) {
	folder := t.TempDir()
	_, err := Temp(folder, 1<<58)
	if err == nil || !strings.Contains(err.Error(), folder) || !strings.Contains(err.Error(), "no room for a file of 1073741824.0 GiB") {
		t.Errorf("got %v, want a refusal that names the folder and the size", err)
	}
	if _, err := Temp(filepath.Join(folder, "missing"), 1); err == nil {
		t.Error("a folder that is missing: no error")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("the folder shows %v (error %v), want nothing", left, err)
	}
}

// TestFill is what allocates where the file system cannot.
func TestFill(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := fill(file, 0, 3<<20+5); err != nil {
		t.Fatal(err)
	}
	if info, err := file.Stat(); err != nil || info.Size() != 3<<20+5 {
		t.Errorf("%d bytes (error %v)", info.Size(), err)
	}
}
