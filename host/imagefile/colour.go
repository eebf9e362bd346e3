package imagefile

import (
	"fmt"
	"image/color"
	"math"
)

// ClassColor is the colour of a class, 0 and up: 0 is dark, most often the
// background; the first ones are far apart. Hues walk by the golden angle and
// lightness (in Oklab, Ottosson 2020) alternates, so there is no last one.
func ClassColor(class int) color.RGBA {
	if class <= 0 {
		return color.RGBA{0x2B, 0x2D, 0x42, 0xFF}
	}
	lightness := [...]float64{0.72, 0.58, 0.85}[class%3]
	hue := math.Mod(250+137.508*float64(class-1), 360) * math.Pi / 180
	return oklab(lightness, 0.12*math.Cos(hue), 0.12*math.Sin(hue))
}

// Palette is the colours of classes 0 to classes-1.
func Palette(classes int) color.Palette {
	palette := make(color.Palette, classes)
	for i := range palette {
		palette[i] = ClassColor(i)
	}
	return palette
}

// oklab converts Oklab to sRGB; what lies outside sRGB is clipped.
func oklab(l, a, b float64) color.RGBA {
	long := cube(l + 0.3963377774*a + 0.2158037573*b)
	medium := cube(l - 0.1055613458*a - 0.0638541728*b)
	short := cube(l - 0.0894841775*a - 1.2914855480*b)
	return color.RGBA{
		srgb(4.0767416621*long - 3.3077115913*medium + 0.2309699292*short),
		srgb(-1.2684380046*long + 2.6097574011*medium - 0.3413193965*short),
		srgb(-0.0041960863*long - 0.7034186147*medium + 1.7076147010*short),
		0xFF,
	}
}

func cube(v float64) float64 { return v * v * v }

// srgb encodes a linear component in eight bits.
func srgb(v float64) uint8 {
	v = min(max(v, 0), 1)
	if v <= 0.0031308 {
		v *= 12.92
	} else {
		v = 1.055*math.Pow(v, 1/2.4) - 0.055
	}
	return uint8(math.Round(255 * v))
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
			rgba := ClassColor(int(class))
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
