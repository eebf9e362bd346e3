package imagefile

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"testing"

	"mdlstm-gpu/host/hostile"
)

// progressiveJPEG is a grey picture of 8·side × 8·side pixels: a scan of all
// first coefficients, then as many scans as asked for, each of which says in a
// few bytes that nothing follows in any block.
func progressiveJPEG(side byte, scans int) []byte {
	var b bytes.Buffer
	high, low := 8*int(side)>>8, byte(8*int(side))
	b.WriteString("\xff\xd8")
	b.WriteString("\xff\xdb\x00\x43\x00") // quantisation
	b.Write(bytes.Repeat([]byte{1}, 64))
	b.Write([]byte{0xff, 0xc2, 0, 11, 8, byte(high), low, byte(high), low, 1, 1, 0x11, 0})
	code := func(class, symbol byte) { // a Huffman table of one code, the bit 0
		b.Write([]byte{0xff, 0xc4, 0, 20, class, 1})
		b.Write(make([]byte, 15))
		b.WriteByte(symbol)
	}
	code(0x00, 0x00) // no difference
	code(0x10, 0xe0) // the end of 2^14 blocks or more
	b.WriteString("\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00")
	b.Write(make([]byte, (int(side)*int(side)+7)/8))
	for range scans {
		b.WriteString("\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00\x00\x00\x00")
	}
	b.WriteString("\xff\xd9")
	return b.Bytes()
}

// TestScans: with 15 kB such a picture of 1024×1024 pixels takes a second, with
// 32 MiB more than half an hour.
func TestScans(t *testing.T) {
	for scans, want := range map[int]string{0: "", 10: "", scansOfAny - 1: "", scansOfAny: "101 scans in", 1000: "1001 scans in"} {
		data := progressiveJPEG(2, scans)
		m, err := DecodeReader(bytes.NewReader(data), int64(len(data)), 1, Limits{})
		switch {
		case want != "":
			if err == nil {
				t.Errorf("%d scans: no error", scans)
				continue
			}
			refused(t, err, "a progressive JPEG of "+want, scansAdvice)
		case err != nil || m.Height != 16 || m.Width != 16:
			t.Errorf("%d scans: %v", scans, err)
		}
	}
	// Bytes buy scans.
	data := append(progressiveJPEG(2, 150), make([]byte, 60*bytesAScan)...)
	if _, err := DecodeReader(bytes.NewReader(data), int64(len(data)), 1, Limits{}); err != nil {
		t.Errorf("150 scans in %d bytes: %v", len(data), err)
	}
}

func TestIsProgressive(t *testing.T) {
	var sequential bytes.Buffer
	if err := jpeg.Encode(&sequential, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	comment := func(data []byte) []byte { // with the marker of the other kind in it
		return slices.Insert(slices.Clone(data), 2, []byte("\xff\xff\xfe\x00\x06\xff\xc2\xff\xc0")...)
	}
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"sequential":           {sequential.Bytes(), false},
		"behind a comment":     {comment(sequential.Bytes()), false},
		"progressive":          {progressiveJPEG(1, 1), true},
		"it, behind a comment": {comment(progressiveJPEG(1, 1)), true},
		"cut off":              {sequential.Bytes()[:20], true},
		"a length of nothing":  {[]byte("\xff\xd8\xff\xe0\x00\x00"), true},
		"nothing":              {nil, true},
	} {
		if got := isProgressive(bytes.NewReader(c.data)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestMemory: what the decoders allocate is within what is asked for.
func TestMemory(t *testing.T) {
	const side = 256
	bounds := image.Rect(0, 0, side, side)
	var sequential bytes.Buffer
	if err := jpeg.Encode(&sequential, image.NewYCbCr(bounds, image.YCbCrSubsampleRatio444), nil); err != nil {
		t.Fatal(err)
	}
	wide := image.NewNRGBA64(bounds)
	wide.SetNRGBA64(0, 0, color.NRGBA64{1, 2, 3, 4})
	for name, data := range map[string][]byte{
		"PNG":         encoded(t, wide),
		"JPEG":        sequential.Bytes(),
		"progressive": progressiveJPEG(side/8, 3),
	} {
		_, memory, err := StatReader(bytes.NewReader(data), int64(len(data)), Limits{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		const (
			tables  = 256 << 10 // of the decoders, and buffers
			garbage = 16        // bytes of a pixel: colours on their way
		)
		hostile.Allocates(t, memory+(4+garbage)*side*side+tables, func() {
			if _, err := DecodeReader(bytes.NewReader(data), int64(len(data)), 1, Limits{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// FuzzDecode: whatever a file holds, reading it is a picture or an error in one
// line that names it, with no more memory than was asked for, and Stat knows the
// size.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Add([]byte("\xff\xd8\xff\xe0"))
	f.Add(progressiveJPEG(1, 2))
	bounds := image.Rect(0, 0, 5, 3)
	colours := color.Palette{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}}
	for _, img := range []image.Image{
		image.NewGray(bounds), image.NewGray16(bounds), image.NewRGBA(bounds), image.NewNRGBA64(bounds), image.NewPaletted(bounds, colours),
	} {
		f.Add(encoded(f, img))
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewYCbCr(bounds, image.YCbCrSubsampleRatio420), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		const pixels = 1 << 12
		path := save(t, "x", data)
		limits := Limits{Pixels: pixels}
		size, statErr := Stat(path, limits)
		// At most so many pixels, each in a block of its own, three times.
		hostile.Allocates(t, 3*(24*32+12)*pixels+4*int64(len(data))+1<<20, func() {
			m, err := Decode(path, 3, limits)
			switch {
			case err != nil && m == nil:
				hostile.OneLine(t, err, "load "+path+": ")
			case err != nil || m == nil || statErr != nil || size != (Size{m.Height, m.Width}) || len(m.Pix) != 3*m.Height*m.Width:
				t.Errorf("got %v and %v; Stat: %v, %v", m, err, size, statErr)
			case slices.ContainsFunc(m.Pix, func(v float32) bool { return !(v >= 0 && v <= 1) }):
				t.Errorf("values beyond 0 to 1: %v", m.Pix)
			}
			mask, err := DecodeMask(path, limits)
			switch {
			case err != nil && mask == nil:
				hostile.OneLine(t, err, "load "+path+": ")
			case err != nil || mask == nil || statErr != nil || size != (Size{mask.Height, mask.Width}):
				t.Errorf("got the mask %v and %v; Stat: %v, %v", mask, err, size, statErr)
			case slices.ContainsFunc(mask.Values, func(v int32) bool { return v < 0 || v > 0xffff }):
				t.Errorf("classes beyond 16 bits: %v", mask.Values)
			}
		})
	})
}
