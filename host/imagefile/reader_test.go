package imagefile

import (
	"bytes"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestReader: a picture in memory is what the same bytes are in a file, and so
// are the refusals, but for the path.
func TestReader(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 5, 3))
	for i := range grey.Pix {
		grey.Pix[i] = uint8(11 * i)
	}
	good := encoded(t, grey)
	for name, data := range map[string][]byte{"good": good, "cut off": good[:50], "text": []byte("hello")} {
		path := save(t, "p.png", data)
		want, wantErr := Decode(path, 3, Limits{})
		got, err := DecodeReader(bytes.NewReader(data), int64(len(data)), 3, Limits{})
		if wantErr != nil {
			if err == nil || "load "+path+": "+err.Error() != wantErr.Error() {
				t.Errorf("%s: error %v, want that of Decode: %v", name, err, wantErr)
			}
			continue
		}
		if err != nil || got.Height != want.Height || got.Width != want.Width || got.Bits != want.Bits || !slices.Equal(got.Pix, want.Pix) {
			t.Errorf("%s: %+v (%v), want %+v", name, got, err, want)
		}
	}
	size, memory, err := StatReader(bytes.NewReader(good), int64(len(good)), Limits{})
	if err != nil || size != (Size{3, 5}) || memory != 8*15 {
		t.Errorf("size %v, %d bytes (%v)", size, memory, err)
	}
	if _, _, err := StatReader(bytes.NewReader(good), int64(len(good)), Limits{Pixels: 14}); err == nil || !strings.Contains(err.Error(), "at most 14") {
		t.Errorf("beyond the limit: %v", err)
	}
}

// TestEncode: what goes to a writer is what goes to a file.
func TestEncode(t *testing.T) {
	dir := t.TempDir()
	m := &Image{Height: 1, Width: 2, Channels: 1, Pix: []float32{0, 0.7}}
	mask := &Mask{Height: 2, Width: 1, Values: []int32{2, 0}, Palette: Palette(3)}
	var picture, classes bytes.Buffer
	paths := []string{filepath.Join(dir, "m.png"), filepath.Join(dir, "c.png")}
	for i, err := range []error{Write(paths[0], m), WriteMask(paths[1], mask), Encode(&picture, m), EncodeMask(&classes, mask)} {
		if err != nil {
			t.Fatal(i, err)
		}
	}
	for i, got := range []*bytes.Buffer{&picture, &classes} {
		if want, err := os.ReadFile(paths[i]); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: %d bytes, want %d (%v)", paths[i], got.Len(), len(want), err)
		}
	}
	mask.Palette = Palette(2)
	if err := EncodeMask(&classes, mask); err == nil {
		t.Error("a class beyond the palette: no error")
	}
	m.Pix[1] = float32(math.NaN())
	if err := Encode(&picture, m); err == nil {
		t.Error("NaN: no error")
	}
}
