package imagefile

import (
	"fmt"
	"image"
	"image/color"
	"io"
)

// Image is a picture: Pix [Height, Width, Channels] row-major, channels fastest,
// each value in 0..1.
type Image struct {
	Height, Width int
	Channels      int // 1 (grey) or 3 (red, green, blue)
	Pix           []float32
	// Bits of each value in the file: 8 (or fewer) or 16. 0 means 8.
	Bits int
}

// Decode reads a PNG (8 or 16 bits and fewer, grey, RGB or palette, with or
// without alpha) or a JPEG. channels is what the caller wants: 1 makes grey of
// colours (ITU-R BT.601, as image/color does), 3 repeats grey. 16 bits keep
// their precision.
func Decode(path string, channels int, limits Limits) (*Image, error) {
	m, err := decode(path, channels, limits)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	return m, nil
}

func decode(path string, channels int, limits Limits) (*Image, error) {
	f, opened, err := open(path, limits)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return f.pixels(channels)
}

// DecodeReader is [Decode] for a picture of length bytes that is no file: the
// body of a request. Errors do not begin with a path.
func DecodeReader(r io.ReadSeeker, length int64, channels int, limits Limits) (*Image, error) {
	f, err := readHeader(r, length, limits)
	if err != nil {
		return nil, err
	}
	return f.pixels(channels)
}

// pixels decodes an open picture.
func (f *file) pixels(channels int) (*Image, error) {
	if channels != 1 && channels != 3 {
		return nil, fmt.Errorf("a picture has 1 channel (grey) or 3 (RGB), want %d: give a .npy file", channels)
	}
	img, err := f.decode(4 * int64(channels))
	if err != nil {
		return nil, err
	}
	m := &Image{Height: f.size.Height, Width: f.size.Width, Channels: channels, Bits: 8}
	m.Pix = make([]float32, m.Height*m.Width*channels)
	row := rowReader(img)
	rgb := make([][3]uint16, m.Width)
	if sixteen(img) {
		m.Bits = 16
	}
	for y := range m.Height {
		row(y, rgb)
		m.setRow(y, rgb)
	}
	return m, nil
}

// setRow stores a row of 16-bit colours.
func (m *Image) setRow(y int, rgb [][3]uint16) {
	dst := m.Pix[y*m.Width*m.Channels:][:m.Width*m.Channels]
	for x, c := range rgb {
		if m.Channels == 3 {
			for k, v := range c {
				dst[3*x+k] = unit(v)
			}
			continue
		}
		dst[x] = unit(grey(c))
	}
}

// grey is the luminance of a colour as color.Gray16Model computes it, which
// allocates; weights are those of ITU-R BT.601 in 1/65536, and sum up to 1.
func grey(c [3]uint16) uint16 {
	return uint16((19595*uint32(c[0]) + 38470*uint32(c[1]) + 7471*uint32(c[2]) + 1<<15) >> 16)
}

// unit maps 0..65535 to 0..1; 8 bits v came as 257·v, so this is v/255 too.
func unit(v uint16) float32 { return float32(v) / 0xffff }

func sixteen(img image.Image) bool {
	switch img.(type) {
	case *image.Gray16, *image.RGBA64, *image.NRGBA64:
		return true
	}
	return false
}

// rowReader returns a function that reads row y of a picture as 16-bit colours
// without their alpha.
func rowReader(img image.Image) func(y int, rgb [][3]uint16) {
	b := img.Bounds()
	wide := func(v uint8) uint16 { return uint16(v) * 0x101 }
	switch img := img.(type) {
	case *image.Gray:
		return func(y int, rgb [][3]uint16) {
			for x, v := range img.Pix[y*img.Stride:][:len(rgb)] {
				rgb[x] = [3]uint16{wide(v), wide(v), wide(v)}
			}
		}
	case *image.Paletted:
		colours := make([][3]uint16, 256)
		for i, c := range img.Palette {
			colours[i] = opaque(c)
		}
		return func(y int, rgb [][3]uint16) {
			for x, v := range img.Pix[y*img.Stride:][:len(rgb)] {
				rgb[x] = colours[v]
			}
		}
	case *image.Gray16:
		return func(y int, rgb [][3]uint16) {
			for x := range rgb {
				v := img.Gray16At(b.Min.X+x, b.Min.Y+y).Y
				rgb[x] = [3]uint16{v, v, v}
			}
		}
	case *image.RGBA: // opaque: what PNG calls RGB
		return eightBits(img.Pix, img.Stride)
	case *image.NRGBA:
		return eightBits(img.Pix, img.Stride)
	case *image.RGBA64: // opaque, too
		return sixteenBits(img.Pix, img.Stride)
	case *image.NRGBA64:
		return sixteenBits(img.Pix, img.Stride)
	case *image.YCbCr:
		return func(y int, rgb [][3]uint16) {
			for x := range rgb {
				c := img.YCbCrAt(b.Min.X+x, b.Min.Y+y)
				r, g, b := color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
				rgb[x] = [3]uint16{wide(r), wide(g), wide(b)}
			}
		}
	}
	return func(y int, rgb [][3]uint16) {
		for x := range rgb {
			rgb[x] = opaque(img.At(b.Min.X+x, b.Min.Y+y))
		}
	}
}

// eightBits reads rows of red, green, blue and alpha of 8 bits.
func eightBits(pix []uint8, stride int) func(y int, rgb [][3]uint16) {
	return func(y int, rgb [][3]uint16) {
		for x := range rgb {
			p := pix[y*stride+4*x:][:3]
			rgb[x] = [3]uint16{uint16(p[0]) * 0x101, uint16(p[1]) * 0x101, uint16(p[2]) * 0x101}
		}
	}
}

// sixteenBits reads rows of red, green, blue and alpha of 16 bits, the upper 8
// first.
func sixteenBits(pix []uint8, stride int) func(y int, rgb [][3]uint16) {
	return func(y int, rgb [][3]uint16) {
		for x := range rgb {
			p := pix[y*stride+8*x:][:6]
			rgb[x] = [3]uint16{uint16(p[0])<<8 | uint16(p[1]), uint16(p[2])<<8 | uint16(p[3]), uint16(p[4])<<8 | uint16(p[5])}
		}
	}
}

// opaque is a colour as it is stored, before its alpha.
func opaque(c color.Color) [3]uint16 {
	if n, ok := c.(color.NRGBA); ok {
		return [3]uint16{uint16(n.R) * 0x101, uint16(n.G) * 0x101, uint16(n.B) * 0x101}
	}
	r, g, b, _ := c.RGBA()
	return [3]uint16{uint16(r), uint16(g), uint16(b)}
}
