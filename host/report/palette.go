package report

import (
	"image/color"
	"math"
)

// curveColours are told apart with any colour vision (Okabe and Ito 2008). The
// page has lighter ones for dark mode, in the same order (page.html, --c0 …).
var curveColours = [...]color.NRGBA{
	{0x00, 0x72, 0xB2, 0xFF}, // blue
	{0xD5, 0x5E, 0x00, 0xFF}, // vermilion
	{0x00, 0x9E, 0x73, 0xFF}, // green
	{0xCC, 0x79, 0xA7, 0xFF}, // purple
	{0xE6, 0x9F, 0x00, 0xFF}, // orange
	{0x56, 0xB4, 0xE9, 0xFF}, // sky
}

// modelColours gives the seed's models the same colour in every figure.
var modelColours = map[string]int{"MD_LSTM": 0, "HORIZONTAL_SD_LSTM": 1, "SNAKE_SD_LSTM": 2}

// dashes tell lines of one colour apart, where there are more lines than
// colours: lengths drawn and left out, in points. The page has them as classes
// d0 … in the same order.
var dashes = [...][]float64{nil, {7, 4}, {2, 3}, {9, 3, 2, 3}}

// lineStyle is how a run's lines look in every figure and table.
type lineStyle struct {
	colour int // index into curveColours
	dash   int // index into dashes
}

// pickStyles gives each curve a style: its model's when no earlier curve has it,
// else the next that is free. They repeat after colours times dashes.
func pickStyles(curves []Curve) []lineStyle {
	taken := map[int]bool{}
	picked := make([]int, len(curves))
	for i, curve := range curves {
		picked[i] = -1
		if n, known := modelColours[curve.Model]; known && !taken[n] {
			picked[i], taken[n] = n, true
		}
	}
	styles := make([]lineStyle, len(curves))
	next := 0
	for i, n := range picked {
		if n < 0 {
			for taken[next] {
				next++
			}
			n, taken[next] = next, true
		}
		styles[i] = lineStyle{n % len(curveColours), n / len(curveColours) % len(dashes)}
	}
	return styles
}

// notFinite is the colour of NaN and infinities in a heat map: a red that
// neither scale has.
var notFinite = color.RGBA{0xE8, 0x10, 0x3C, 0xFF}

// ignored is the colour of cells that do not count.
var ignored = color.RGBA{0xE4, 0xE4, 0xE7, 0xFF}

// scaleColours are the 256 colours of the heat maps' scale, from dark violet to
// pale yellow. Lightness rises evenly in Oklab (Ottosson 2020), so equal
// differences of value look equally large, in grey and with any colour vision
// too; hue and chroma only help.
var scaleColours = func() (scale [256]color.RGBA) {
	for i := range scale {
		t := float64(i) / 255
		hue := 305 - 195*t                          // degrees: violet, blue, green, yellow
		chroma := 0.125 + 0.02*t - 0.03*(4*t*(1-t)) // less where sRGB has no more
		scale[i] = oklch(0.25+0.69*t, chroma, hue)
	}
	return scale
}()

// scaleColour is the colour of t in [0, 1] on the scale.
func scaleColour(t float64) color.RGBA {
	return scaleColours[int(math.Round(255*min(max(t, 0), 1)))]
}

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

// ClassColor is the colour of a class wherever classes are drawn. Class 0, most
// often the background, is a neutral dark one; the first eleven can be told
// apart with any colour vision. Beyond them hues walk by the golden angle and
// lightness alternates, so there is no last one. A negative class has the colour
// of cells that do not count.
func ClassColor(class int) color.RGBA {
	switch {
	case class < 0:
		return ignored
	case class < len(classColours):
		return classColours[class]
	}
	lightness := [...]float64{0.72, 0.58, 0.85}[class%3]
	return oklch(lightness, 0.12, math.Mod(250+137.508*float64(class-1), 360))
}

// classColour is ClassColor where the background is another class than 0: the
// two change colours. nil = class 0.
func classColour(class int, background *int) color.RGBA {
	switch {
	case background == nil:
	case class == *background:
		class = 0
	case class == 0:
		class = *background
	}
	return ClassColor(class)
}

// oklch converts lightness, chroma and hue (degrees) of Oklab to sRGB; what lies
// outside sRGB is clipped.
func oklch(l, c, h float64) color.RGBA {
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
