package palette

import (
	"image/color"
	"math"
	"testing"
)

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
	return Lab(color.RGBA{srgb(seen[0]), srgb(seen[1]), srgb(seen[2]), 0xFF})
}

func TestClassesDiffer(t *testing.T) {
	for i := range 12 {
		for j := range i {
			if d := Distance(Class(i), Class(j)); d < 0.08 {
				t.Errorf("classes %d and %d are %.3f apart", j, i, d)
			}
		}
	}
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
