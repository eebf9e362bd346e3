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

// pickColours gives each curve an index into curveColours: its model's when no
// earlier curve has it, else the next that is free, else in turn.
func pickColours(curves []Curve) []int {
	taken := map[int]bool{}
	picked := make([]int, len(curves))
	for i, curve := range curves {
		colour, known := modelColours[curve.Model]
		if known && !taken[colour] {
			picked[i], taken[colour] = colour, true
		} else {
			picked[i] = -1
		}
	}
	for i := range picked {
		if picked[i] >= 0 {
			continue
		}
		next := 0
		for next < len(curveColours) && taken[next] {
			next++
		}
		if next == len(curveColours) {
			picked[i] = i % len(curveColours)
			continue
		}
		picked[i], taken[next] = next, true
	}
	return picked
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

// classColour is the colour of a class. The first ones are far apart; hues walk
// by the golden angle and lightness alternates, so there is no last one.
func classColour(class int) color.RGBA {
	if class == 0 {
		return color.RGBA{0x2B, 0x2D, 0x42, 0xFF} // most often the background
	}
	lightness := [...]float64{0.72, 0.58, 0.85}[class%3]
	return oklch(lightness, 0.12, math.Mod(250+137.508*float64(class-1), 360))
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
