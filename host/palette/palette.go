// Package palette has the colours of classes, the same wherever they are drawn:
// masks, overlays, reports.
package palette

import (
	"image/color"
	"math"
)

// Ignored is the colour of cells that do not count.
var Ignored = color.RGBA{0xE4, 0xE4, 0xE7, 0xFF}

// classColours are those of the first classes: a neutral one for the background,
// seven of Okabe and Ito 2008, and three that were searched for the greatest
// distance to all before, also as seen without red or green cones (Machado,
// Oliveira, Fernandes 2009).
var classColours = [...]color.RGBA{
	{0x2B, 0x2D, 0x42, 0xFF}, // slate
	{0xE6, 0x9F, 0x00, 0xFF}, // orange
	{0x56, 0xB4, 0xE9, 0xFF}, // sky
	{0x00, 0x9E, 0x73, 0xFF}, // green
	{0xF0, 0xE4, 0x42, 0xFF}, // yellow
	{0x00, 0x72, 0xB2, 0xFF}, // blue
	{0xD5, 0x5E, 0x00, 0xFF}, // vermilion
	{0xCC, 0x79, 0xA7, 0xFF}, // purple
	{0x78, 0x00, 0xFF, 0xFF}, // violet
	{0x4B, 0x4B, 0x00, 0xFF}, // olive
	{0x00, 0x00, 0xA5, 0xFF}, // navy
}

// Class is the colour of a class wherever classes are drawn. Class 0, most
// often the background, is a neutral dark one; the first eleven can be told
// apart with any colour vision. Beyond them hues walk by the golden angle and
// lightness alternates, so there is no last one. A negative class has the colour
// of cells that do not count.
func Class(class int) color.RGBA {
	switch {
	case class < 0:
		return Ignored
	case class < len(classColours):
		return classColours[class]
	}
	lightness := [...]float64{0.72, 0.58, 0.85}[class%3]
	return OKLCH(lightness, 0.12, math.Mod(250+137.508*float64(class-1), 360))
}

// OKLCH converts lightness, chroma and hue (degrees) of Oklab to sRGB; what lies
// outside sRGB is clipped.
func OKLCH(l, c, h float64) color.RGBA {
	a, b := c*math.Cos(h*math.Pi/180), c*math.Sin(h*math.Pi/180)
	lms := [3]float64{
		l + 0.3963377774*a + 0.2158037573*b,
		l - 0.1055613458*a - 0.0638541728*b,
		l - 0.0894841775*a - 1.2914855480*b,
	}
	for i, v := range lms {
		lms[i] = v * v * v
	}
	return color.RGBA{
		srgb(4.0767416621*lms[0] - 3.3077115913*lms[1] + 0.2309699292*lms[2]),
		srgb(-1.2684380046*lms[0] + 2.6097574011*lms[1] - 0.3413193965*lms[2]),
		srgb(-0.0041960863*lms[0] - 0.7034186147*lms[1] + 1.7076147010*lms[2]),
		0xFF,
	}
}

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

// Lab converts a colour to Oklab by the formulas, apart from oklch.
func Lab(c color.RGBA) (l, a, b float64) {
	linear := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	r, g, bl := linear(c.R), linear(c.G), linear(c.B)
	lc := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*bl)
	mc := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*bl)
	sc := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*bl)
	return 0.2104542553*lc + 0.7936177850*mc - 0.0040720468*sc,
		1.9779984951*lc - 2.4285922050*mc + 0.4505937099*sc,
		0.0259040371*lc + 0.7827717662*mc - 0.8086757660*sc
}

// Distance is how far two colours are apart in Oklab.
func Distance(x, y color.RGBA) float64 {
	l0, a0, b0 := Lab(x)
	l1, a1, b1 := Lab(y)
	return math.Sqrt((l1-l0)*(l1-l0) + (a1-a0)*(a1-a0) + (b1-b0)*(b1-b0))
}
