package imagefile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/palette"
)

// encoded is a picture as PNG.
func encoded(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// save writes bytes to a new file.
func save(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused says whether an error is one line that begins with the path and has
// the texts in it.
func refused(t *testing.T, err error, begin string, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	got := err.Error()
	for _, text := range texts {
		if !strings.HasPrefix(got, begin) || !strings.Contains(got, text) || strings.Contains(got, "\n") {
			t.Errorf("got %q, want one line with %q that begins with %q", got, text, begin)
		}
	}
}

// near compares pixels.
func near(t *testing.T, name string, got, want []float32, abs float64) {
	t.Helper()
	if _, err := approx.Compare(name, nil, got, want, approx.Tolerance{Abs: abs}); err != nil {
		t.Error(err)
	}
}

// filled draws one colour in a picture of 2×3 pixels, another in its last pixel.
func filled[T interface {
	image.Image
	Set(x, y int, c color.Color)
}](img T, most, last color.Color) T {
	for i := range 6 {
		img.Set(i%3, i/3, most)
	}
	img.Set(2, 1, last)
	return img
}

func TestDecodeKinds(t *testing.T) {
	bounds := image.Rect(0, 0, 3, 2)
	palette := color.Palette{color.RGBA{255, 0, 0, 255}, color.NRGBA{51, 102, 204, 128}}
	rgb := [3]float64{51. / 255, 102. / 255, 204. / 255}
	luma := (19595*51 + 38470*102 + 7471*204) / 65536. / 255
	for name, c := range map[string]struct {
		img  image.Image
		rgb  [3]float64 // of the last pixel
		grey float64
		bits int
	}{
		"grey":         {filled(image.NewGray(bounds), color.Black, color.Gray{51}), [3]float64{0.2, 0.2, 0.2}, 0.2, 8},
		"grey 16":      {filled(image.NewGray16(bounds), color.Black, color.Gray16{12345}), [3]float64{12345. / 65535, 12345. / 65535, 12345. / 65535}, 12345. / 65535, 16},
		"RGB":          {filled(image.NewRGBA(bounds), color.White, color.RGBA{51, 102, 204, 255}), rgb, luma, 8},
		"RGB 16":       {filled(image.NewRGBA64(bounds), color.White, color.RGBA64{1, 65535, 0, 65535}), [3]float64{1. / 65535, 1, 0}, 0.587, 16},
		"RGB, alpha":   {filled(image.NewNRGBA(bounds), color.White, color.NRGBA{51, 102, 204, 7}), rgb, luma, 8},
		"transparent":  {filled(image.NewNRGBA(bounds), color.White, color.NRGBA{51, 102, 204, 0}), rgb, luma, 8},
		"palette":      {filled(image.NewPaletted(bounds, palette), palette[0], palette[1]), rgb, luma, 8},
		"RGB 16 alpha": {filled(image.NewNRGBA64(bounds), color.White, color.NRGBA64{13107, 26214, 52428, 99}), rgb, luma, 16},
	} {
		t.Run(name, func(t *testing.T) {
			path := save(t, "x.png", encoded(t, c.img))
			for channels, want := range map[int][]float64{1: {c.grey}, 3: c.rgb[:]} {
				m, err := Decode(path, channels, Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if m.Height != 2 || m.Width != 3 || m.Channels != channels || m.Bits != c.bits || len(m.Pix) != 6*channels {
					t.Fatalf("got %d×%d×%d, %d bits, %d values", m.Height, m.Width, m.Channels, m.Bits, len(m.Pix))
				}
				got := m.Pix[5*channels:]
				wanted := make([]float32, channels)
				for i := range wanted {
					wanted[i] = float32(want[i])
				}
				near(t, "last pixel", got, wanted, 2e-5) // luma is rounded to 16 bits
			}
			if size, err := Stat(path, Limits{}); err != nil || size != (Size{2, 3}) {
				t.Errorf("Stat: got %v (error %v), want 2×3", size, err)
			}
		})
	}
}

func TestDecodeJPEG(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 16, 8))
	for i := range 16 * 8 {
		img.Set(i%16, i/16, color.RGBA{200, 100, 50, 255})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	path := save(t, "renamed.png", b.Bytes()) // the content counts, not the name
	m, err := Decode(path, 3, Limits{})
	if err != nil || m.Height != 8 || m.Width != 16 {
		t.Fatalf("got %+v, error %v", m, err)
	}
	near(t, "colour", m.Pix[:3], []float32{200. / 255, 100. / 255, 50. / 255}, 0.02)
	_, err = DecodeMask(path, Limits{})
	refused(t, err, "load "+path, "JPEG")
	for _, n := range []int{3, 20, b.Len() / 2} {
		_, err = Decode(save(t, "x.jpg", b.Bytes()[:n]), 3, Limits{})
		refused(t, err, "load ", "")
	}
}

func TestMaskRoundTrip(t *testing.T) {
	for name, c := range map[string]struct {
		values  []int32
		palette color.Palette
	}{
		"2 classes":          {[]int32{0, 1, 1, 0, 1, 0}, Palette(2)},
		"5 classes":          {[]int32{0, 1, 4, 3, 2, 2}, Palette(5)},
		"300 classes":        {[]int32{0, 299, 4, 3, 2, 256}, nil},
		"256 classes, index": {[]int32{0, 255, 4, 3, 2, 128}, Palette(256)},
		"grey":               {[]int32{0, 255, 4, 3, 2, 128}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mask.png")
			if err := WriteMask(path, &Mask{2, 3, c.values, c.palette}); err != nil {
				t.Fatal(err)
			}
			m, err := DecodeMask(path, Limits{})
			if err != nil || m.Height != 2 || m.Width != 3 || !slices.Equal(m.Values, c.values) || !slices.Equal(m.Palette, c.palette) {
				t.Errorf("got %+v (error %v), want %v and %v", m, err, c.values, c.palette)
			}
		})
	}
}

// TestMaskOfFewBits: image/png scales the grey values of 1, 2 and 4 bits.
func TestMaskOfFewBits(t *testing.T) {
	for depth, want := range map[byte][]int32{1: {0, 1}, 2: {2, 3}, 4: {11, 5}} {
		row := map[byte]byte{1: 0b01_000000, 2: 0b1011_0000, 4: 0xB5}[depth]
		path := save(t, "mask.png", rawPNG(t, 2, 1, depth, 0, []byte{0, row}))
		m, err := DecodeMask(path, Limits{})
		if err != nil || !slices.Equal(m.Values, want) {
			t.Errorf("%d bits: got %+v (error %v), want %v", depth, m, err, want)
		}
	}
}

// rawPNG puts a PNG together that claims a size and holds these rows, stored.
func rawPNG(t *testing.T, width, height uint32, depth, colour byte, rows []byte) []byte {
	t.Helper()
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(name string, data []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		from := len(b)
		b = append(append(b, name...), data...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	chunk("IHDR", append(head, depth, colour, 0, 0, 0))
	low, high := uint32(1), uint32(0) // Adler-32
	for _, v := range rows {
		low = (low + uint32(v)) % 65521
		high = (high + low) % 65521
	}
	stored := []byte{0x78, 0x01, 1, byte(len(rows)), byte(len(rows) >> 8), ^byte(len(rows)), ^byte(len(rows) >> 8)}
	chunk("IDAT", binary.BigEndian.AppendUint32(append(stored, rows...), high<<16|low))
	chunk("IEND", nil)
	return b
}

func TestDecodeRefuses(t *testing.T) {
	whole := encoded(t, filled(image.NewGray(image.Rect(0, 0, 3, 2)), color.Black, color.White))
	broken := slices.Clone(whole)
	broken[len(broken)-20] ^= 0x55
	rgb := encoded(t, filled(image.NewRGBA(image.Rect(0, 0, 3, 2)), color.Black, color.RGBA{1, 2, 3, 255}))
	for name, c := range map[string]struct {
		data []byte
		text string
	}{
		"empty":             {nil, "empty"},
		"text":              {[]byte("hello"), "neither a PNG nor a JPEG"},
		"only the magic":    {whole[:8], "truncated"},
		"half the header":   {whole[:20], "truncated"},
		"truncated":         {whole[:len(whole)-20], "truncated"},
		"a bit is wrong":    {broken, "damaged"},
		"huge":              {rawPNG(t, 1<<20, 1<<20, 8, 0, []byte{0}), "1048576×1048576 pixels, want at most 268435456"},
		"huge for its file": {rawPNG(t, 1<<13, 1<<13, 16, 6, []byte{0}), "cannot hold"},
		"no pixels":         {rawPNG(t, 0, 1, 8, 0, []byte{0}), ""},
		"fewer rows":        {rawPNG(t, 4, 4, 8, 0, []byte{0, 1, 2, 3, 4}), "not enough pixel data"},
	} {
		t.Run(name, func(t *testing.T) {
			path := save(t, "x.png", c.data)
			_, err := Decode(path, 1, Limits{})
			refused(t, err, "load "+path+": ", c.text)
			_, err = DecodeMask(path, Limits{})
			refused(t, err, "load "+path+": ", c.text)
		})
	}
	path := save(t, "rgb.png", rgb)
	_, err := DecodeMask(path, Limits{})
	refused(t, err, "load "+path, "grey or with a palette")
	_, err = Decode(path, 2, Limits{})
	refused(t, err, "load "+path, ".npy")
	_, err = Decode(path, 1, Limits{Pixels: 5})
	refused(t, err, "load "+path, "at most 5")
	_, err = Decode(t.TempDir(), 1, Limits{})
	refused(t, err, "load ", "not a regular file")
	_, err = Decode("missing.png", 1, Limits{})
	refused(t, err, "load missing.png", "no such file")
}

func TestWrite(t *testing.T) {
	pix := []float32{0, 1, 0.5, -1, 2, 0.25, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7}
	for _, bits := range []int{0, 8, 16} {
		for _, channels := range []int{1, 3} {
			path := filepath.Join(t.TempDir(), "y.png")
			m := &Image{Height: 2, Width: 6 / channels, Channels: channels, Pix: pix, Bits: bits}
			if err := Write(path, m); err != nil {
				t.Fatal(err)
			}
			got, err := Decode(path, channels, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want := slices.Clone(pix)
			want[3], want[4] = 0, 1
			half := 0.5/255 + 1e-7
			if bits == 16 {
				half = 0.5/65535 + 1e-7
			}
			near(t, "pixels", got.Pix, want, half)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "y.png")
	nan := float32(0)
	nan /= nan
	refused(t, Write(path, &Image{1, 2, 1, []float32{0, nan}, 8}), "write "+path, "column 1 is NaN")
	refused(t, Write(path, &Image{1, 2, 2, make([]float32, 4), 8}), "write "+path, "2 channels")
	refused(t, Write(path, &Image{1, 2, 1, make([]float32, 4), 8}), "write "+path, "4 values")
	refused(t, Write(path, &Image{1, 2, 1, make([]float32, 2), 7}), "write "+path, "7 bits")
	refused(t, WriteMask(path, &Mask{1, 2, []int32{0, 3}, Palette(3)}), "write "+path, "class 3, want 0 to 2")
	refused(t, WriteMask(path, &Mask{1, 2, []int32{0, -1}, nil}), "write "+path, "class -1")
	refused(t, WriteMask(path, &Mask{1, 2, []int32{0}, nil}), "write "+path, "1 values")
	refused(t, WriteMask(path, &Mask{1, 1, []int32{0}, Palette(257)}), "write "+path, "257")
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
		t.Errorf("the folder holds %v (error %v), want nothing", entries, err)
	}
}

func TestEnlargeAndOverlay(t *testing.T) {
	small := &Mask{Height: 2, Width: 2, Values: []int32{0, 1, 2, 0}}
	large := small.Enlarge([2]int{2, 1}, 3, 2)
	if want := []int32{0, 1, 0, 1, 2, 0}; !slices.Equal(large.Values, want) {
		t.Errorf("enlarged %v, want %v", large.Values, want)
	}
	over, err := Overlay(&Image{Height: 2, Width: 2, Channels: 1, Pix: []float32{0.5, 1, 1, 1}}, small)
	if err != nil {
		t.Fatal(err)
	}
	c := palette.Class(1)
	want := []float32{0.5, 0.5, 0.5, (1 + float32(c.R)/255) / 2, (1 + float32(c.G)/255) / 2, (1 + float32(c.B)/255) / 2}
	near(t, "overlay", over.Pix[:6], want, 1e-6)
	if _, err := Overlay(over, large); err == nil {
		t.Error("no error for a mask of another size")
	}
}

func TestList(t *testing.T) {
	folder := t.TempDir()
	_, err := List(folder)
	refused(t, err, "load "+folder, "no picture")
	for _, name := range []string{"b.PNG", "a.jpeg", "c.jpg", "notes.txt", ".hidden.png"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "d.png"), 0o755); err != nil {
		t.Fatal(err)
	}
	names, err := List(folder)
	if want := []string{"a.jpeg", "b.PNG", "c.jpg"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("got %v (error %v), want %v", names, err, want)
	}
	_, err = List("missing")
	refused(t, err, "load missing", "no such")
}

// BenchmarkDecode reads pictures of 256×256 pixels of each kind that decoders
// make, as grey and as RGB.
func BenchmarkDecode(b *testing.B) {
	bounds := image.Rect(0, 0, 256, 256)
	kinds := map[string]draw.Image{
		"grey16": image.NewGray16(bounds), "rgb": image.NewRGBA(bounds), "rgb16": image.NewRGBA64(bounds),
		"alpha": image.NewNRGBA(bounds), "alpha16": image.NewNRGBA64(bounds),
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		m := kinds[name]
		for y := range 256 {
			for x := range 256 {
				alpha := uint8(0xff)
				if strings.HasPrefix(name, "alpha") {
					alpha = uint8(x | 1)
				}
				m.Set(x, y, color.NRGBA{uint8(x), uint8(y), uint8(x + y), alpha})
			}
		}
		data := encoded(b, m)
		for _, channels := range []int{1, 3} {
			b.Run(fmt.Sprintf("%s/channels=%d", name, channels), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := DecodeReader(bytes.NewReader(data), int64(len(data)), channels, Limits{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// TestGrey: the luminance is the standard library's, grey stays what it is.
func TestGrey(t *testing.T) {
	for r := 0; r <= 0xffff; r += 0xff {
		for g := 0; g <= 0xffff; g += 0xff3 {
			for b := 0; b <= 0xffff; b += 0x3ffd {
				c := [3]uint16{uint16(r), uint16(g), uint16(b)}
				if want := color.Gray16Model.Convert(color.RGBA64{c[0], c[1], c[2], 0xffff}).(color.Gray16).Y; grey(c) != want {
					t.Fatalf("%v: got %d, want %d", c, grey(c), want)
				}
			}
		}
	}
	for v := range 0x10000 {
		if got := grey([3]uint16{uint16(v), uint16(v), uint16(v)}); got != uint16(v) {
			t.Fatalf("grey %d became %d", v, got)
		}
	}
}
