package imagefile

import (
	"errors"
	"fmt"
	"image"
	"image/color"
)

// Mask is a picture of class numbers: Values [Height, Width] row-major.
type Mask struct {
	Height, Width int
	Values        []int32
	// Palette has the colours of a file whose pixels are indices; nil for one of
	// grey values.
	Palette color.Palette
}

// DecodeMask reads the class numbers of a PNG: the index of a palette, or the
// grey value as stored, 1 to 16 bits. Other files are refused: colours are no
// numbers, and JPEG changes values.
func DecodeMask(path string, limits Limits) (*Mask, error) {
	m, err := decodeMask(path, limits)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	return m, nil
}

func decodeMask(path string, limits Limits) (*Mask, error) {
	f, opened, err := open(path, limits)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	switch {
	case !f.isPNG:
		return nil, errors.New("JPEG changes values, so it cannot hold class numbers: save the mask as a PNG, grey or with a palette")
	case f.colour == 2 || f.colour == 6:
		return nil, errors.New("an RGB picture has colours, want class numbers: save the mask as a PNG, grey or with a palette")
	}
	img, err := f.decode(4)
	if err != nil {
		return nil, err
	}
	m := &Mask{Height: f.size.Height, Width: f.size.Width}
	m.Values = make([]int32, m.Height*m.Width)
	if p, ok := img.(*image.Paletted); ok {
		m.Palette = p.Palette
		for y := range m.Height {
			for x, v := range p.Pix[y*p.Stride:][:m.Width] {
				m.Values[y*m.Width+x] = int32(v)
			}
		}
		return m, nil
	}
	// Grey of b bits is scaled to 16: v·65535/(2^b - 1), a whole number.
	scale := int32(0xffff / (1<<f.depth - 1))
	row, rgb := rowReader(img), make([][3]uint16, m.Width)
	for y := range m.Height {
		row(y, rgb)
		for x, c := range rgb {
			m.Values[y*m.Width+x] = int32(c[0]) / scale
		}
	}
	return m, nil
}

// Enlarge returns a mask of height × width in which each value fills a block of
// the given cells, cut off at the far edges: how the output of a model with
// windows lies on its input.
func (m *Mask) Enlarge(cells [2]int, height, width int) *Mask {
	large := &Mask{Height: height, Width: width, Values: make([]int32, height*width)}
	for y := range height {
		for x := range width {
			large.Values[y*width+x] = m.Values[min(y/cells[0], m.Height-1)*m.Width+min(x/cells[1], m.Width-1)]
		}
	}
	return large
}
