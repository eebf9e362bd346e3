package report

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"mdlstm-gpu/host/palette"
)

// Tile is a small 2-D picture: values, or classes. One without either is left
// out where it may be missing.
type Tile struct {
	Rows, Cols int

	// Values [Rows, Cols, Channels] with 1 channel (grey) or 3 (red, green,
	// blue). They are drawn from 0 to 1, or over their own range where they leave
	// that.
	Values   []float32
	Channels int // 0 means 1

	Class  []int32 // [Rows, Cols] instead of Values, drawn in [palette.Class]
	Ignore *int    // the class whose cells do not count; nil = none

	Background *int // the class that is drawn in the neutral colour; nil = class 0
}

func (t Tile) empty() bool { return t.Values == nil && t.Class == nil }

// check compares the lengths with the size.
func (t Tile) check() error {
	if t.Rows < 1 || t.Cols < 1 || t.Rows > math.MaxInt32/t.Cols {
		return fmt.Errorf("%d × %d cells, want 1 or more along each axis", t.Rows, t.Cols)
	}
	cells, channels := t.Rows*t.Cols, max(t.Channels, 1)
	switch {
	case t.Values != nil && t.Class != nil:
		return fmt.Errorf("values and classes are both given, want one")
	case t.Class != nil && len(t.Class) != cells:
		return fmt.Errorf("%d × %d cells: %d classes, want %d", t.Rows, t.Cols, len(t.Class), cells)
	case t.Class == nil && channels != 1 && channels != 3:
		return fmt.Errorf("%d channels, want 1 (grey) or 3 (red, green, blue)", channels)
	case t.Class == nil && (len(t.Values)%channels != 0 || len(t.Values)/channels != cells):
		return fmt.Errorf("%d × %d cells with %d channels: %d values, want %d", t.Rows, t.Cols, channels, len(t.Values), cells*channels)
	}
	return nil
}

// span is the range that a tile's values are drawn over.
func (t Tile) span() (lo, hi float64) {
	lo, hi = 0, 1
	for _, v := range t.Values {
		if v := float64(v); !math.IsNaN(v) && !math.IsInf(v, 0) && (v < 0 || v > 1) {
			lo, hi = math.Inf(1), math.Inf(-1)
			break
		}
	}
	if lo == 0 {
		return lo, hi
	}
	for _, v := range t.Values {
		if v := float64(v); !math.IsNaN(v) && !math.IsInf(v, 0) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if lo == hi {
		return lo - 1, hi + 1
	}
	return lo, hi
}

// image is the tile with a pixel a cell; where a side is longer than most, one
// of several cells is drawn.
func (t Tile) image(most int) *image.RGBA {
	every := max(1, ceilDiv(max(t.Rows, t.Cols), most))
	img := image.NewRGBA(image.Rect(0, 0, ceilDiv(t.Cols, every), ceilDiv(t.Rows, every)))
	lo, hi := t.span()
	for y := range img.Rect.Max.Y {
		for x := range img.Rect.Max.X {
			img.SetRGBA(x, y, t.colour(y*every*t.Cols+x*every, lo, hi))
		}
	}
	return img
}

// colour is what a cell is painted with.
func (t Tile) colour(cell int, lo, hi float64) color.RGBA {
	if t.Class != nil {
		class := int(t.Class[cell])
		if t.Ignore != nil && class == *t.Ignore {
			return palette.Ignored
		}
		return classColour(class, t.Background)
	}
	channels := max(t.Channels, 1)
	var rgb [3]uint8
	for i := range rgb {
		v := float64(t.Values[cell*channels+i%channels])
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return notFinite
		}
		rgb[i] = uint8(math.Round(255 * (v - lo) / (hi - lo)))
	}
	return color.RGBA{rgb[0], rgb[1], rgb[2], 0xFF}
}

// enlarged is img with each pixel as a block of k × k.
func enlarged(img *image.RGBA, k int) *image.RGBA {
	big := image.NewRGBA(image.Rect(0, 0, k*img.Rect.Dx(), k*img.Rect.Dy()))
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			fill(big, image.Rect(k*x, k*y, k*x+k, k*y+k), img.RGBAAt(x, y))
		}
	}
	return big
}
