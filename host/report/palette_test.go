package report

import (
	"image/color"
	"math"
	"testing"
)

// lab converts a colour to Oklab by the formulas, apart from oklch.
func lab(c color.RGBA) (l, a, b float64) {
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

func labDistance(x, y color.RGBA) float64 {
	l0, a0, b0 := lab(x)
	l1, a1, b1 := lab(y)
	return math.Sqrt((l1-l0)*(l1-l0) + (a1-a0)*(a1-a0) + (b1-b0)*(b1-b0))
}

// unevenLightness is how far a scale is from rising evenly in lightness; colours
// clipped at the edge of sRGB show here.
func unevenLightness(scale []color.RGBA) (worst float64) {
	first, _, _ := lab(scale[0])
	last, _, _ := lab(scale[len(scale)-1])
	for i, c := range scale {
		l, _, _ := lab(c)
		worst = max(worst, math.Abs(l-first-(last-first)*float64(i)/float64(len(scale)-1)))
	}
	return worst
}

func TestScaleRisesEvenlyInLightness(t *testing.T) {
	const most = 0.012 // measured: half of it, the rounding to eight bits
	if got := unevenLightness(scaleColours[:]); got > most {
		t.Errorf("lightness is %.4f off a straight line, want at most %g", got, most)
	}
	var rainbow []color.RGBA // the wrong answer: the scale that everybody warns of
	for i := range 256 {
		rainbow = append(rainbow, oklch(0.7, 0.3, 270*float64(i)/255))
	}
	if got := unevenLightness(rainbow); got <= most {
		t.Errorf("the checker finds %.4f for a rainbow", got)
	}
	for i := 1; i < 256; i++ {
		if scaleColours[i] == scaleColours[i-1] {
			t.Errorf("colours %d and %d are equal", i-1, i)
		}
	}
}

func TestNotFiniteIsLikeNoOtherColour(t *testing.T) {
	for i, c := range scaleColours {
		if d := labDistance(c, notFinite); d < 0.12 {
			t.Errorf("scale colour %d %v is %.3f from the colour of NaN", i, c, d)
		}
	}
	for class := range 64 {
		if d := labDistance(ClassColor(class), notFinite); d < 0.05 {
			t.Errorf("class %d %v is %.3f from the colour of NaN", class, ClassColor(class), d)
		}
		if d := labDistance(ClassColor(class), ignored); d < 0.05 {
			t.Errorf("class %d %v is %.3f from the colour of ignored cells", class, ClassColor(class), d)
		}
	}
}

func TestClassesDiffer(t *testing.T) {
	for i := range 12 {
		for j := range i {
			if d := labDistance(ClassColor(i), ClassColor(j)); d < 0.08 {
				t.Errorf("classes %d and %d are %.3f apart", j, i, d)
			}
		}
	}
}

// withoutCones is a colour as seen without red (protan) or green (deutan) cones,
// after Machado, Oliveira and Fernandes 2009, severity 1, in linear light.
func withoutCones(c color.RGBA, view [3][3]float64) (l, a, b float64) {
	var rgb, seen [3]float64
	for i, v := range []uint8{c.R, c.G, c.B} {
		if x := float64(v) / 255; x <= 0.04045 {
			rgb[i] = x / 12.92
		} else {
			rgb[i] = math.Pow((x+0.055)/1.055, 2.4)
		}
	}
	for i, row := range view {
		for j, k := range row {
			seen[i] += k * rgb[j]
		}
	}
	return lab(color.RGBA{srgb(seen[0]), srgb(seen[1]), srgb(seen[2]), 0xFF})
}

func TestFirstClassesDifferForAnyColourVision(t *testing.T) {
	const least = 0.06 // measured: 0.076, green and purple without red cones
	views := map[string][3][3]float64{
		"protan": {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
		"deutan": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	}
	nearest := func(view [3][3]float64, colours []color.RGBA) float64 {
		worst := math.Inf(1)
		for i, x := range colours {
			for _, y := range colours[:i] {
				l0, a0, b0 := withoutCones(x, view)
				l1, a1, b1 := withoutCones(y, view)
				worst = min(worst, math.Sqrt((l1-l0)*(l1-l0)+(a1-a0)*(a1-a0)+(b1-b0)*(b1-b0)))
			}
		}
		return worst
	}
	for name, view := range views {
		if d := nearest(view, classColours[:]); d < least {
			t.Errorf("%s: two classes are %.3f apart, want %g", name, d, least)
		}
	}
	// The wrong answer: a red and a green of one lightness.
	if d := nearest(views["deutan"], []color.RGBA{{0xB0, 0x60, 0x40, 0xFF}, {0x7A, 0x7A, 0x40, 0xFF}}); d >= least {
		t.Errorf("the checker finds red and green %.3f apart", d)
	}
}

func TestPickStyles(t *testing.T) {
	three := []Curve{{Model: "SNAKE_SD_LSTM"}, {Model: "MD_LSTM"}, {Model: "HORIZONTAL_SD_LSTM"}}
	if got := pickStyles(three); got[0] != (lineStyle{2, 0}) || got[1] != (lineStyle{0, 0}) || got[2] != (lineStyle{1, 0}) {
		t.Errorf("the seed's models have styles %v, want colours 2 0 1", got)
	}
	many := make([]Curve, 60)
	many[3].Model, many[5].Model = "MD_LSTM", "MD_LSTM"
	got := pickStyles(many)
	seen := map[lineStyle]bool{}
	for i, s := range got {
		if s.colour < 0 || s.colour >= len(curveColours) || s.dash < 0 || s.dash >= len(dashes) {
			t.Fatalf("curve %d has style %v", i, s)
		}
		if seen[s] && i < len(curveColours)*len(dashes) {
			t.Errorf("style %v twice in the first %d", s, len(curveColours)*len(dashes))
		}
		seen[s] = true
		if i < 5 && s.dash != 0 {
			t.Errorf("curve %d is dashed though colours are left", i)
		}
	}
	if got[3] != (lineStyle{0, 0}) {
		t.Errorf("MD_LSTM has style %v beside others", got[3])
	}
}
