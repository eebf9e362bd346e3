package report

import (
	"image/color"
	"math"
	"testing"

	"mdlstm-gpu/host/palette"
)

// unevenLightness is how far a scale is from rising evenly in lightness; colours
// clipped at the edge of sRGB show here.
func unevenLightness(scale []color.RGBA) (worst float64) {
	first, _, _ := palette.Lab(scale[0])
	last, _, _ := palette.Lab(scale[len(scale)-1])
	for i, c := range scale {
		l, _, _ := palette.Lab(c)
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
		rainbow = append(rainbow, palette.OKLCH(0.7, 0.3, 270*float64(i)/255))
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
		if d := palette.Distance(c, notFinite); d < 0.12 {
			t.Errorf("scale colour %d %v is %.3f from the colour of NaN", i, c, d)
		}
	}
	for class := range 64 {
		if d := palette.Distance(palette.Class(class), notFinite); d < 0.05 {
			t.Errorf("class %d %v is %.3f from the colour of NaN", class, palette.Class(class), d)
		}
		if d := palette.Distance(palette.Class(class), palette.Ignored); d < 0.05 {
			t.Errorf("class %d %v is %.3f from the colour of palette.Ignored cells", class, palette.Class(class), d)
		}
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
