package tensorboard_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mdlstm-gpu/host/tensorboard"
	"mdlstm-gpu/host/tensorboard/eventtest"
)

// create begins an event file; it is closed at the end of the test.
func create(t *testing.T, dir string, step int64, begin func(*tensorboard.Writer) error) *tensorboard.Writer {
	t.Helper()
	w, err := tensorboard.Create(dir, step, begin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func scalars(t *testing.T, w *tensorboard.Writer, step int64, values ...tensorboard.Scalar) {
	t.Helper()
	if err := w.Scalars(step, values...); err != nil {
		t.Fatal(err)
	}
}

func readDir(t *testing.T, dir string) eventtest.Run {
	t.Helper()
	r, err := eventtest.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func pngOf(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestScalarsAndImages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tensorboard")
	if has, err := tensorboard.Has(dir); has || err != nil {
		t.Errorf("a folder that does not exist: %t, %v", has, err)
	}
	w := create(t, dir, 0, nil)
	if has, err := tensorboard.Has(dir); !has || err != nil {
		t.Errorf("a new file: %t, %v", has, err)
	}
	scalars(t, w, 0, tensorboard.Scalar{Tag: "a", Value: 1.0 / 3}, tensorboard.Scalar{Tag: "b", Value: math.NaN()})
	scalars(t, w, 1, tensorboard.Scalar{Tag: "b", Value: math.NaN()}) // no event at all
	scalars(t, w, 1<<40, tensorboard.Scalar{Tag: "a", Value: math.Inf(1)}, tensorboard.Scalar{Tag: "b", Value: -2})
	if err := w.Image(7, "p", pngOf(t, 3, 2)); err != nil {
		t.Fatal(err)
	}
	if err := w.Image(7, "p", []byte("no PNG")); err == nil || !strings.Contains(err.Error(), `picture "p"`) {
		t.Errorf("error %v", err)
	}
	if got := readDir(t, dir); len(got.Scalars) != 0 {
		t.Errorf("before a flush: %+v", got)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := eventtest.Run{
		Files:   1,
		Scalars: map[string][]eventtest.Scalar{"a": {{Value: 1.0 / 3}, {Step: 1 << 40, Value: float32(math.Inf(1))}}, "b": {{Step: 1 << 40, Value: -2}}},
		Images:  map[string][]int64{"p": {7}},
	}
	if diff := cmp.Diff(want, readDir(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestContinued: a later file replaces the steps from its own on, whatever the
// clock says, and its first events come with its name.
func TestContinued(t *testing.T) {
	dir := t.TempDir()
	future := filepath.Join(dir, "events.out.tfevents.9000000000.mdlstm")
	first := create(t, dir, 0, nil)
	for step := range int64(6) {
		scalars(t, first, step, tensorboard.Scalar{Tag: "a", Value: float64(step)})
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("files %v, %v", names, err)
	}
	if err := os.Rename(names[0], future); err != nil {
		t.Fatal(err)
	}
	// Killed in the middle of a record.
	if info, err := os.Stat(future); err != nil || os.Truncate(future, info.Size()-5) != nil {
		t.Fatal(err)
	}
	create(t, dir, 3, func(w *tensorboard.Writer) error {
		if r := readDir(t, dir); r.Files != 1 {
			t.Errorf("%d files before the first events", r.Files)
		}
		return w.Scalars(3, tensorboard.Scalar{Tag: "a", Value: 33})
	})
	got := readDir(t, dir)
	if diff := cmp.Diff([]eventtest.Scalar{{Step: 0}, {Step: 1, Value: 1}, {Step: 2, Value: 2}, {Step: 3, Value: 33}}, got.Scalars["a"]); diff != "" || got.Partial == 0 {
		t.Errorf("%d bytes partial, -want +got:\n%s", got.Partial, diff)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{file, filepath.Join(dir, "none", "tensorboard")} {
		if _, err := tensorboard.Create(bad, 0, nil); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: error %v", bad, err)
		}
	}
	full := filepath.Join(dir, "full")
	if _, err := tensorboard.Create(full, 0, func(*tensorboard.Writer) error { return fmt.Errorf("full: %w", syscall.ENOSPC) }); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(full); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	w := create(t, full, 0, nil)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Scalars(1, tensorboard.Scalar{Tag: "a"}); err != nil {
		t.Fatal(err) // it is only buffered
	}
	for name, err := range map[string]error{"flush": w.Flush(), "sync": w.Sync(), "append": w.Scalars(2, tensorboard.Scalar{Tag: "a"})} {
		if err == nil || !strings.Contains(err.Error(), "tfevents") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
