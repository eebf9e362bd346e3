package report

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
)

// Overlay tints a picture with the classes of a map in [ClassColor], half and
// half, and draws the border of each area in full colour. Class 0 and cells that
// do not count leave the picture as it is. The map may be coarser than the
// picture, as after a window; each of its cells then covers a block. An error
// says which length does not fit.
func Overlay(picture image.Image, classes Tile) (image.Image, error) {
	if classes.Class == nil {
		return nil, fmt.Errorf("overlay: no classes")
	}
	if err := classes.check(); err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	size := picture.Bounds().Size()
	if size.X < classes.Cols || size.Y < classes.Rows {
		return nil, fmt.Errorf("overlay: %d × %d cells on a picture of %d × %d pixels (rows × columns), want a pixel or more a cell",
			classes.Rows, classes.Cols, size.Y, size.X)
	}
	out := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(out, out.Rect, picture, picture.Bounds().Min, draw.Src)
	at := func(x, y int) int { // class of a pixel, 0 = nothing to draw
		if !image.Pt(x, y).In(out.Rect) {
			return 0
		}
		class := int(classes.Class[y*classes.Rows/size.Y*classes.Cols+x*classes.Cols/size.X])
		if class < 0 || classes.Ignore != nil && class == *classes.Ignore {
			return 0
		}
		return class
	}
	for y := range size.Y {
		for x := range size.X {
			class := at(x, y)
			if class == 0 {
				continue
			}
			c := ClassColor(class)
			if class == at(x-1, y) && class == at(x+1, y) && class == at(x, y-1) && class == at(x, y+1) {
				p := out.RGBAAt(x, y)
				c = color.RGBA{half(c.R, p.R), half(c.G, p.G), half(c.B, p.B), 0xFF}
			}
			out.SetRGBA(x, y, c)
		}
	}
	return out, nil
}

func half(a, b uint8) uint8 { return uint8((int(a) + int(b)) / 2) }
