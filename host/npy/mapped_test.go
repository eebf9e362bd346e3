package npy

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCreateWritesWhatWriteDoes(t *testing.T) {
	folder := t.TempDir()
	a, b := filepath.Join(folder, "a.npy"), filepath.Join(folder, "b.npy")
	shape, data := []int{2, 3}, []float32{1, 2, 3, 0, 5, 6}
	if err := Write(a, shape, data); err != nil {
		t.Fatal(err)
	}
	for range 2 { // new, then over the old one
		err := Create(b, shape, func(values []float32) error {
			if !slices.Equal(values, make([]float32, 6)) {
				t.Errorf("the values are %v at first, want zeros", values)
			}
			copy(values, data[:3])
			copy(values[4:], data[4:])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(b); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q (error %v), want %q", got, err, want)
	}
	m, err := Open(b)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Shape, shape) || !slices.Equal(m.Data, data) || m.DType != "float32" || m.Kind != Float {
		t.Errorf("got %+v", m)
	}
	if m.file == nil {
		t.Log("this system maps no files")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestCreateFails: neither the old file nor the folder shows a trace.
func TestCreateFails(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "a.npy")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	mine := errors.New("mine")
	if err := Create(path, []int{4}, func([]float32) error { return mine }); err != mine {
		t.Errorf("got %v, want the error of fill", err)
	}
	never := func([]float32) error { t.Error("fill was called"); return nil }
	for text, shape := range map[string][]int{"more than a file holds": {1 << 40, 1 << 40}, "no room": {1 << 56}} {
		if err := Create(path, shape, never); err == nil || !strings.Contains(err.Error(), "write "+path) || !strings.Contains(err.Error(), text) {
			t.Errorf("shape %v: got %v, want %q", shape, err, text)
		}
	}
	old, err := os.ReadFile(path)
	left, _ := os.ReadDir(folder)
	if err != nil || string(old) != "old" || len(left) != 1 {
		t.Errorf("the file holds %q (error %v), the folder %v", old, err, left)
	}
}

// TestOpenReads: what cannot be mapped is read, with Read's own refusals.
func TestOpenReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npy")
	if err := Write(path, []int{3}, []float32{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"as it is":      whole,
		"another order": bytes.Replace(whole, []byte("<f4"), []byte(">f4"), 1),
		"truncated":     whole[:len(whole)-1],
		"longer":        append(slices.Clone(whole), 0),
		"no header":     whole[:20],
		"empty":         nil,
		"no values":     bytes.Replace(whole, []byte("(3,)"), []byte("(0,)"), 1)[:len(whole)-12],
	} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		want, wantErr := Read(path)
		got, err := Open(path)
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Errorf("%s: got error %v, want %v", name, err, wantErr)
			continue
		}
		if err == nil && (!slices.Equal(got.Data, want.Data) || !slices.Equal(got.Shape, want.Shape)) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	if _, err := Open("missing.npy"); err == nil || !strings.HasPrefix(err.Error(), "missing.npy: ") {
		t.Errorf("got %v", err)
	}
}
