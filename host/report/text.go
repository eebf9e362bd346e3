package report

import (
	"image"
	"image/color"
	"image/draw"

	xfont "golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
	"gonum.org/v1/plot/font"
)

type alignment int

const (
	alignLeft alignment = iota
	alignCentre
)

// textWriter writes lines of text into an image, in the typeface of the curves.
// The first error stays and silences the later calls.
type textWriter struct {
	img draw.Image
	err error
}

// line writes text with its baseline at that point, smaller when it would be
// wider than widest pixels and cut when half the size is not enough. It returns
// the width written.
func (w *textWriter) line(text string, at image.Point, align alignment, size float64, widest int, c color.Color) int {
	if w.err != nil {
		return 0
	}
	text = plainText(text)
	face := faceOf(size)
	if width := measure(face, text); width > widest {
		face.Close()
		face = faceOf(max(size/2, size*float64(widest)/float64(width)))
	}
	defer func() {
		if err := face.Close(); w.err == nil {
			w.err = err
		}
	}()
	for runes := []rune(text); measure(face, text) > widest && len(runes) > 1; {
		runes = runes[:len(runes)-1]
		text = string(runes) + "…"
	}
	width := measure(face, text)
	if align == alignCentre {
		at.X -= width / 2
		at.X = max(0, min(at.X, w.img.Bounds().Max.X-width))
	}
	drawer := xfont.Drawer{Dst: w.img, Src: image.NewUniform(c), Face: face, Dot: fixed.P(at.X, at.Y)}
	drawer.DrawString(text)
	return width
}

// faceOf is the typeface with size pixels to the em. At 72 dots an inch a point
// is a pixel.
func faceOf(size float64) xfont.Face {
	face := font.DefaultCache.Lookup(sans(size), sans(size).Size)
	return face.FontFace(72)
}

func measure(face xfont.Face, text string) int {
	return xfont.MeasureString(face, text).Ceil()
}

// width is how wide text would be, uncut.
func (w *textWriter) width(text string, size float64) int {
	face := faceOf(size)
	defer face.Close()
	return measure(face, plainText(text))
}
