package imagefile

import (
	"fmt"
	"image/color"

	"mdlstm-gpu/host/palette"
)

// Palette is the colours of classes 0 to classes-1.
func Palette(classes int) color.Palette {
	colours := make(color.Palette, classes)
	for i := range colours {
		colours[i] = palette.Class(i)
	}
	return colours
}

// Overlay returns the picture in RGB with the colours of the classes laid over
// it, half and half; class 0 leaves it as it is. Sizes must be equal.
func Overlay(m *Image, mask *Mask) (*Image, error) {
	if m.Height != mask.Height || m.Width != mask.Width {
		return nil, fmt.Errorf("a mask of %d×%d pixels over a picture of %d×%d", mask.Height, mask.Width, m.Height, m.Width)
	}
	const share = 0.5
	over := &Image{Height: m.Height, Width: m.Width, Channels: 3, Pix: make([]float32, 3*m.Height*m.Width)}
	colours := map[int32][3]float32{}
	for i, class := range mask.Values {
		c, known := colours[class]
		if !known {
			rgba := palette.Class(int(class))
			c = [3]float32{float32(rgba.R) / 255, float32(rgba.G) / 255, float32(rgba.B) / 255}
			colours[class] = c
		}
		for k := range 3 {
			v := m.Pix[i*m.Channels+k%m.Channels]
			if class != 0 {
				v += share * (c[k] - v)
			}
			over.Pix[3*i+k] = v
		}
	}
	return over, nil
}
