package imagefile

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"

	"mdlstm-gpu/host/nn/tensorfile"
)

// Write writes a picture as PNG, grey or RGB, of m.Bits bits a value. Values
// outside 0..1 are cut off; NaN is an error.
func Write(path string, m *Image) error {
	if err := m.check(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return tensorfile.AtomicWrite(path, func(w io.Writer) error { return encode(w, m.picture()) })
}

// Encode writes to w what [Write] writes to a file.
func Encode(w io.Writer, m *Image) error {
	if err := m.check(); err != nil {
		return err
	}
	return encode(w, m.picture())
}

func (m *Image) check() error {
	switch {
	case m.Channels != 1 && m.Channels != 3:
		return fmt.Errorf("%d channels, want 1 (grey) or 3 (RGB)", m.Channels)
	case m.Bits != 0 && m.Bits != 8 && m.Bits != 16:
		return fmt.Errorf("%d bits, want 8 or 16", m.Bits)
	}
	if err := checkSize(m.Height, m.Width, m.Channels, len(m.Pix)); err != nil {
		return err
	}
	for i, v := range m.Pix {
		if v != v {
			pixel := i / m.Channels
			return fmt.Errorf("row %d, column %d is NaN", pixel/m.Width, pixel%m.Width)
		}
	}
	return nil
}

func checkSize(height, width, channels, values int) error {
	if height < 1 || width < 1 || width > math.MaxInt32/height || height*width*channels != values {
		return fmt.Errorf("%d values for %d×%d pixels of %d", values, height, width, channels)
	}
	return nil
}

// picture is what image/png encodes without conversion.
func (m *Image) picture() image.Image {
	bounds := image.Rect(0, 0, m.Width, m.Height)
	top := float32(0xff)
	if m.Bits == 16 {
		top = 0xffff
	}
	value := func(i int) uint16 { return uint16(math.Round(float64(top * min(max(m.Pix[i], 0), 1)))) }
	switch {
	case m.Channels == 1 && m.Bits == 16:
		p := image.NewGray16(bounds)
		for i := range m.Pix {
			p.Pix[2*i], p.Pix[2*i+1] = uint8(value(i)>>8), uint8(value(i))
		}
		return p
	case m.Channels == 1:
		p := image.NewGray(bounds)
		for i := range m.Pix {
			p.Pix[i] = uint8(value(i))
		}
		return p
	case m.Bits == 16:
		p := image.NewRGBA64(bounds)
		for i := range m.Height * m.Width {
			p.SetRGBA64(i%m.Width, i/m.Width, color.RGBA64{value(3 * i), value(3*i + 1), value(3*i + 2), 0xffff})
		}
		return p
	}
	p := image.NewRGBA(bounds)
	for i := range m.Height * m.Width {
		p.SetRGBA(i%m.Width, i/m.Width, color.RGBA{uint8(value(3 * i)), uint8(value(3*i + 1)), uint8(value(3*i + 2)), 0xff})
	}
	return p
}

// WriteMask writes class numbers as PNG: indices of the mask's palette of up to
// 256 colours, so that viewers show colours and NumPy sees the numbers; without a
// palette grey values of 8 bits, or of 16 where a number is above 255.
func WriteMask(path string, m *Mask) error {
	img, err := m.picture()
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return tensorfile.AtomicWrite(path, func(w io.Writer) error { return encode(w, img) })
}

// EncodeMask writes to w what [WriteMask] writes to a file.
func EncodeMask(w io.Writer, m *Mask) error {
	img, err := m.picture()
	if err != nil {
		return err
	}
	return encode(w, img)
}

func (m *Mask) picture() (image.Image, error) {
	if err := checkSize(m.Height, m.Width, 1, len(m.Values)); err != nil {
		return nil, err
	}
	if len(m.Palette) > 256 {
		return nil, fmt.Errorf("a palette of %d colours, want at most 256", len(m.Palette))
	}
	limit, top := int32(1<<16), int32(0)
	if m.Palette != nil {
		limit = int32(len(m.Palette))
	}
	for i, v := range m.Values {
		if v < 0 || v >= limit {
			return nil, fmt.Errorf("row %d, column %d is class %d, want 0 to %d", i/m.Width, i%m.Width, v, limit-1)
		}
		top = max(top, v)
	}
	bounds := image.Rect(0, 0, m.Width, m.Height)
	if top > 255 {
		p := image.NewGray16(bounds)
		for i, v := range m.Values {
			p.Pix[2*i], p.Pix[2*i+1] = uint8(v>>8), uint8(v)
		}
		return p, nil
	}
	pix := make([]uint8, len(m.Values))
	for i, v := range m.Values {
		pix[i] = uint8(v)
	}
	if m.Palette != nil {
		return &image.Paletted{Pix: pix, Stride: m.Width, Rect: bounds, Palette: m.Palette}, nil
	}
	return &image.Gray{Pix: pix, Stride: m.Width, Rect: bounds}, nil
}

func encode(w io.Writer, img image.Image) error {
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	return encoder.Encode(w, img)
}
