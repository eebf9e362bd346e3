package report

import (
	"image/color"
	"math"

	"mdlstm-gpu/host/palette"
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

// scaleColours are the 256 colours of the heat maps' scale, from dark violet to
// pale yellow. Lightness rises evenly in Oklab (Ottosson 2020), so equal
// differences of value look equally large, in grey and with any colour vision
// too; hue and chroma only help.
var scaleColours = func() (scale [256]color.RGBA) {
	for i := range scale {
		t := float64(i) / 255
		hue := 305 - 195*t                          // degrees: violet, blue, green, yellow
		chroma := 0.125 + 0.02*t - 0.03*(4*t*(1-t)) // less where sRGB has no more
		scale[i] = palette.OKLCH(0.25+0.69*t, chroma, hue)
	}
	return scale
}()

// scaleColour is the colour of t in [0, 1] on the scale.
func scaleColour(t float64) color.RGBA {
	return scaleColours[int(math.Round(255*min(max(t, 0), 1)))]
}

// classColour is [palette.Class] where the background is another class than 0: the
// two change colours. nil = class 0.
func classColour(class int, background *int) color.RGBA {
	switch {
	case background == nil:
	case class == *background:
		class = 0
	case class == 0:
		class = *background
	}
	return palette.Class(class)
}
