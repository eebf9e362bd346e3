package report

import (
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"slices"
	"strconv"

	"mdlstm-gpu/host/palette"
)

// Confusion counts what was predicted for each true class.
type Confusion struct {
	Title   string
	Classes []string  // names; 1 or more
	Counts  [][]int64 // [truth, prediction]
	Unit    string    // what is counted: "pixels", "images"
}

// MaxConfusion is the most classes of a [Confusion]: those that a figure has
// pixels for.
const MaxConfusion = 2048

// Other bounds of a confusion matrix.
const (
	maxNumbered = 20 // classes up to which every cell has its number
	maxMistakes = 20 // lines of the table that takes the matrix' place beyond maxNumbered
)

// check compares the counts with the classes.
func (c Confusion) check() error {
	n := len(c.Classes)
	if n == 0 || n > MaxConfusion {
		return fmt.Errorf("confusion %q: %d classes, want 1 … %d", c.Title, n, MaxConfusion)
	}
	if len(c.Counts) != n {
		return fmt.Errorf("confusion %q: %d rows of counts, want %d, one a class", c.Title, len(c.Counts), n)
	}
	for i, row := range c.Counts {
		if len(row) != n {
			return fmt.Errorf("confusion %q: row %d has %d counts, want %d, one a class", c.Title, i, len(row), n)
		}
		for j, count := range row {
			if count < 0 {
				return fmt.Errorf("confusion %q: count %d of class %d as %d, want 0 or more", c.Title, count, i, j)
			}
		}
	}
	return nil
}

// sums are the counts of each true class, as float64, where they cannot
// overflow.
func (c Confusion) sums() []float64 {
	sums := make([]float64, len(c.Counts))
	for i, row := range c.Counts {
		for _, count := range row {
			sums[i] += float64(count)
		}
	}
	return sums
}

// note says how many were counted, and how many of them were right.
func (c Confusion) note() string {
	total, right := 0.0, 0.0
	for i, sum := range c.sums() {
		total += sum
		right += float64(c.Counts[i][i])
	}
	unit := cmp.Or(c.Unit, "samples")
	if total == 0 {
		return "no " + unit
	}
	return fmt.Sprintf("%s %s, %s right", groupDigits(int64(total)), unit, formatShare(right/total))
}

// mistake is a pair of classes that were taken for one another.
type mistake struct {
	truth, prediction int
	count             int64
	share             float64 // of the true class
}

// mistakes are the most frequent ones, in a fixed order.
func (c Confusion) mistakes(most int) []mistake {
	var all []mistake
	for i, sum := range c.sums() {
		for j, count := range c.Counts[i] {
			if i != j && count > 0 {
				all = append(all, mistake{i, j, count, float64(count) / sum})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b mistake) int { return cmp.Compare(b.count, a.count) })
	return all[:min(len(all), most)]
}

// strength is how strongly a share is coloured, 0 to 1: its root, so that rare
// mistakes show.
func strength(share float64) float64 { return math.Sqrt(share) }

// confusionColour is the colour of a share on white: what is right towards blue,
// what is wrong towards vermilion.
func confusionColour(share float64, right bool) color.RGBA {
	to := curveColours[1]
	if right {
		to = curveColours[0]
	}
	t := strength(share)
	mix := func(v uint8) uint8 { return uint8(math.Round(255 + t*(float64(v)-255))) }
	return color.RGBA{mix(to.R), mix(to.G), mix(to.B), 0xFF}
}

// ConfusionPNG draws a confusion matrix, the true classes as rows: each cell has
// the share of its row in per cent, in a number for up to 20 classes, and as its
// colour. A class without samples has a grey row. Errors name the row at fault.
func ConfusionPNG(c Confusion) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	n := len(c.Classes)
	cell := max(1, 960/n)
	if n <= maxNumbered {
		cell = min(max(cell, 64), 110)
	}
	const margin, top = 28, 190
	size := 22.0
	face := faceOf(size)
	names := 0
	for _, name := range c.Classes {
		names = max(names, measure(face, plainText(name)))
	}
	if err := face.Close(); err != nil {
		return nil, fmt.Errorf("confusion %q: %w", c.Title, err)
	}
	names = min(names, 220) + 16
	left := margin + 34 + names
	panel := image.Rect(left, top, left+n*cell, top+n*cell)
	img := image.NewRGBA(image.Rect(0, 0, max(panel.Max.X+margin, leastWidth), panel.Max.Y+margin))
	draw.Draw(img, img.Rect, image.White, image.Point{}, draw.Src)

	dark, muted := color.Gray{0x1C}, color.Gray{0x60}
	w := textWriter{img: img}
	widest := img.Rect.Dx() - 2*margin
	w.line(cmp.Or(c.Title, "Confusion matrix"), image.Pt(margin, 50), alignLeft, 32, widest, dark)
	w.line(c.note(), image.Pt(margin, 90), alignLeft, 25, widest, muted)
	w.line("predicted", image.Pt(left, 132), alignLeft, 25, widest, dark)
	w.line("truth", image.Pt(margin, top-14), alignLeft, 25, left-margin-8, dark)
	every := max(1, ceilDiv(32, cell)) // names that would overlap are left out
	for i, name := range c.Classes {
		if i%every != 0 {
			continue
		}
		middle := i*cell + cell/2
		w.line(name, image.Pt(left-12-min(names-16, w.width(name, size)), top+middle+8), alignLeft, size, names-16, dark)
		if every == 1 {
			w.line(name, image.Pt(left+middle, top-14), alignCentre, size, cell-6, dark)
		} else if i%(3*every) == 0 {
			w.line(name, image.Pt(left+middle, top-14), alignCentre, size, 3*every*cell-6, dark)
		}
	}
	for i, sum := range c.sums() {
		for j, count := range c.Counts[i] {
			r := image.Rect(left+j*cell, top+i*cell, left+(j+1)*cell, top+(i+1)*cell)
			if sum == 0 {
				fill(img, r, palette.Ignored)
				continue
			}
			share := float64(count) / sum
			fill(img, r, confusionColour(share, i == j))
			if n <= maxNumbered && count > 0 {
				ink := color.Color(dark)
				if strength(share) > 0.7 {
					ink = color.White
				}
				w.line(shortShare(share), image.Pt((r.Min.X+r.Max.X)/2, (r.Min.Y+r.Max.Y)/2+8), alignCentre, 24, cell-8, ink)
			}
		}
	}
	for i := 1; i < n && n <= maxNumbered; i++ {
		fill(img, image.Rect(panel.Min.X, top+i*cell, panel.Max.X, top+i*cell+1), color.RGBA{0xDC, 0xDD, 0xE1, 0xFF})
		fill(img, image.Rect(left+i*cell, panel.Min.Y, left+i*cell+1, panel.Max.Y), color.RGBA{0xDC, 0xDD, 0xE1, 0xFF})
	}
	for i, sum := range c.sums() {
		if sum == 0 && cell >= 32 {
			row := image.Rect(left, top+i*cell+1, panel.Max.X, top+(i+1)*cell)
			fill(img, row, palette.Ignored)
			w.line("no "+cmp.Or(c.Unit, "samples"), image.Pt(left+n*cell/2, row.Min.Y+cell/2+8), alignCentre, size, n*cell-8, muted)
		}
	}
	frame(img, panel.Inset(-1), 1, color.Gray{0x88})
	if w.err != nil {
		return nil, fmt.Errorf("confusion %q: %w", c.Title, w.err)
	}
	data, err := encodePNG(img)
	if err != nil {
		return nil, fmt.Errorf("confusion %q: %w", c.Title, err)
	}
	return data, nil
}

// shortShare is a share in per cent without its sign, for a small cell. What is
// not all and not nothing never looks so.
func shortShare(share float64) string {
	p := 100 * share
	switch {
	case p > 99.9 && p < 100:
		return ">99.9"
	case p > 0 && p < 0.1:
		return "<0.1"
	case p >= 9.95 && p < 99 || p == 0 || p == 100:
		return strconv.FormatFloat(p, 'f', 0, 64)
	}
	return strconv.FormatFloat(p, 'f', 1, 64)
}

// formatShare writes a share in per cent with three digits.
func formatShare(share float64) string {
	p := 100 * share
	switch {
	case math.IsNaN(p) || math.IsInf(p, 0):
		return "unknown"
	case p > 99.99 && p < 100:
		return ">99.99 %"
	case p > 0 && p < 0.01:
		return "<0.01 %"
	case p >= 99.95 && p < 100 || p > 0 && p < 10:
		return strconv.FormatFloat(p, 'f', 2, 64) + " %"
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + " %"
}
