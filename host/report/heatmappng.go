package report

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"slices"
	"strings"

	"mdlstm-gpu/host/palette"
)

// Sizes of a picture in pixels, for a screen of twice the plain density.
const (
	panelSide    = 480  // a panel's longer side, where cells fill it evenly
	panelLeast   = 48   // its shorter side at least, so that a strip can be seen
	cellMost     = 120  // side of a cell at most
	panelMost    = 1280 // cells along an axis at most; beyond it only every n-th is drawn
	textWidth    = 1060 // width of a picture whose text has its plain size
	leastWidth   = 640
	headingWidth = 200 // room that "prediction" takes above its panel
	shortHeading = 110 // and "z = 123"
)

// geometry says where in the picture everything lies.
type geometry struct {
	size         image.Point
	panels       []image.Rectangle
	cellW, cellH int
	every        int // of so many cells along an axis one is drawn
	bar          image.Rectangle
	scale        float64 // of all text and margins
}

// layout places the panels in their rows, and the bar below.
func (h *heatmap) layout() geometry {
	rows, cols := h.panels[0].rows, h.panels[0].cols
	longest := max(rows, cols)
	// Many panels are smaller each, so that the picture stays within a screen.
	side, most := panelSide, panelMost
	if h.across > 2 {
		side, most = panelSide*5/2/h.across+panelLeast, panelMost*2/h.across
	}
	g := geometry{every: ceilDiv(longest, most)}
	rows, cols, longest = ceilDiv(rows, g.every), ceilDiv(cols, g.every), ceilDiv(longest, g.every)
	g.cellW = min(max((side+longest/2)/longest, 1), cellMost)
	g.cellH = max(g.cellW, ceilDiv(panelLeast, rows))
	g.cellW = max(g.cellW, ceilDiv(panelLeast, cols))
	width, height := cols*g.cellW, rows*g.cellH

	g.scale = min(max(float64(h.across*width)/textWidth, 1), 2.5)
	room := headingWidth
	if h.rowNames != nil {
		room = shortHeading
	}
	margin, gap := g.px(28), max(g.px(40), g.px(float64(room))-width)
	if h.across > 2 {
		gap = max(g.px(20), g.px(float64(room))-width)
	}
	total := h.across*width + (h.across-1)*gap
	g.size.X = max(total+2*margin, leastWidth)
	left, top := (g.size.X-total)/2, g.px(178)
	for i := range h.panels {
		if i > 0 && i%h.across == 0 {
			top += height + g.px(64)
		}
		if i%h.across == 0 && h.rowNames != nil {
			top += g.px(38)
		}
		x := left + i%h.across*(width+gap)
		g.panels = append(g.panels, image.Rect(x, top, x+width, top+height))
	}
	g.bar = image.Rect(margin, top+height+g.px(36), g.size.X-margin, top+height+g.px(60))
	g.size.Y = g.bar.Max.Y + g.px(54)
	if len(h.remarks()) > 0 {
		g.size.Y += g.px(42)
	}
	return g
}

func (g geometry) px(v float64) int { return int(math.Round(v * g.scale)) }

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// cell is the rectangle of a cell of a panel.
func (g geometry) cell(panel, row, col int) image.Rectangle {
	x := g.panels[panel].Min.X + col/g.every*g.cellW
	y := g.panels[panel].Min.Y + row/g.every*g.cellH
	return image.Rect(x, y, x+g.cellW, y+g.cellH)
}

// PicturePNG draws the prediction left and the truth right on one colour scale,
// with its bar, and outlines the relevant cells. One axis is drawn as a strip. A
// volume is drawn as at most 8 slices along its first axis, evenly spaced, the
// prediction above the truth; further axes before the last two are fixed where
// the first relevant cell is, or else in the middle, as the picture says. Cells
// are drawn crisp; NaN and infinities have a colour of their own. Errors name
// the length that does not fit.
func PicturePNG(p Picture) ([]byte, error) {
	h, err := newHeatmap(p)
	if err != nil {
		return nil, err
	}
	return h.png()
}

// png draws the panels and their scale.
func (h *heatmap) png() ([]byte, error) {
	g := h.layout()
	img := image.NewRGBA(image.Rectangle{Max: g.size})
	draw.Draw(img, img.Rect, image.White, image.Point{}, draw.Src)

	if err := h.drawText(img, g); err != nil {
		return nil, fmt.Errorf("picture %q: %w", h.title, err)
	}
	for i, panel := range h.panels {
		h.drawPanel(img, g, i, panel)
		frame(img, g.panels[i].Inset(-1), 1, color.Gray{0x88})
		for _, at := range panel.marks {
			mark(img, g.cell(i, at[0], at[1]))
		}
	}
	h.drawBar(img, g)
	data, err := encodePNG(img)
	if err != nil {
		return nil, fmt.Errorf("picture %q: %w", h.title, err)
	}
	return data, nil
}

func encodePNG(img image.Image) ([]byte, error) {
	var out bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, img)
	return out.Bytes(), err
}

// colour is what a cell is painted with.
func (h *heatmap) colour(p panel, cell int) color.RGBA {
	if p.class != nil {
		switch class := p.class[cell]; class {
		case classNone:
			return notFinite
		case classIgnored:
			return palette.Ignored
		default:
			return classColour(class, h.background)
		}
	}
	v := p.value[cell]
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return notFinite
	}
	return scaleColour((v - h.lo) / (h.hi - h.lo))
}

func (h *heatmap) drawPanel(img *image.RGBA, g geometry, index int, p panel) {
	for row := 0; row < p.rows; row += g.every {
		for col := 0; col < p.cols; col += g.every {
			fill(img, g.cell(index, row, col), h.colour(p, row*p.cols+col))
		}
	}
}

// drawBar draws the scale with its ticks, or a box for each class.
func (h *heatmap) drawBar(img *image.RGBA, g geometry) {
	for x := g.bar.Min.X; x < g.bar.Max.X; x++ {
		t := (float64(x-g.bar.Min.X) + 0.5) / float64(g.bar.Dx())
		c := scaleColour(t)
		switch {
		case h.classes > 0:
			c = classColour(int(t*float64(h.classes)), h.background)
		case h.lo == h.hi:
			c = notFinite
		}
		fill(img, image.Rect(x, g.bar.Min.Y, x+1, g.bar.Max.Y), c)
	}
	frame(img, g.bar.Inset(-1), 1, color.Gray{0x88})
}

// barTicks places the labels of the bar, 0 at its left end and 1 at its right.
func (h *heatmap) barTicks() (ticks []tick) {
	if h.classes > 0 {
		every := ceilDiv(h.classes, 20)
		for class := 0; class < h.classes; class += every {
			ticks = append(ticks, tick{(float64(class) + 0.5) / float64(h.classes), fmt.Sprint(class)})
		}
		return ticks
	}
	for _, t := range linearTicks(h.lo, h.hi, 5) {
		ticks = append(ticks, tick{(t.at - h.lo) / (h.hi - h.lo), t.label})
	}
	return ticks
}

// drawText writes title, headings, labels of the bar and remarks.
func (h *heatmap) drawText(img *image.RGBA, g geometry) error {
	dark, muted := color.Gray{0x1C}, color.Gray{0x60}
	left, widest := g.bar.Min.X, g.bar.Dx()
	w := textWriter{img: img}
	w.line(h.title, image.Pt(left, g.px(56)), alignLeft, 34*g.scale, widest, dark)
	w.line(h.details(g), image.Pt(left, g.px(99)), alignLeft, 28*g.scale, widest, muted)
	size, room := 30*g.scale, g.size.X/2
	if h.rowNames != nil || h.across > 2 {
		size = 26 * g.scale
	}
	if h.across > 2 {
		room = g.panels[1].Min.X - g.panels[0].Min.X
	}
	for i, p := range h.panels {
		at := image.Pt(g.panels[i].Min.X, g.panels[i].Min.Y-g.px(14))
		w.line(p.heading, at, alignLeft, size, room, dark)
		if h.rowNames != nil && i%h.across == 0 {
			w.line(h.rowNames[i/h.across], at.Sub(image.Pt(0, g.px(36))), alignLeft, 30*g.scale, g.size.X, dark)
		}
	}
	below := g.bar.Max.Y + g.px(36)
	for _, t := range h.barTicks() {
		x := g.bar.Min.X + int(t.at*float64(g.bar.Dx()))
		fill(img, image.Rect(x-1, g.bar.Max.Y, x+1, g.bar.Max.Y+g.px(7)), color.RGBA{0x88, 0x88, 0x88, 0xFF})
		w.line(t.label, image.Pt(x, below), alignCentre, 28*g.scale, g.size.X, dark)
	}
	x := left
	for _, r := range h.remarks() {
		y := below + g.px(42)
		side := g.px(22)
		fill(img, image.Rect(x, y-side, x+side, y), r.colour)
		x += side + g.px(10)
		x += w.line(r.text, image.Pt(x, y), alignLeft, 28*g.scale, g.size.X, dark) + g.px(28)
	}
	return w.err
}

// details says what part of the grid is shown and what the outline means.
func (h *heatmap) details(g geometry) string {
	rows, cols := h.panels[0].rows, h.panels[0].cols
	size := fmt.Sprintf("%d × %d cells", rows, cols)
	if rows == 1 {
		size = counted(cols, "cell")
	}
	parts := []string{size}
	if h.alone {
		parts = nil
	}
	if h.note != "" {
		parts = append(parts, h.note)
	}
	if g.every > 1 {
		parts = append(parts, fmt.Sprintf("one of %d drawn along each axis", g.every))
	}
	if h.outlined != "" {
		parts = append(parts, h.outlined)
	}
	return strings.Join(parts, ", ")
}

// counted writes a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return groupDigits(int64(n)) + " " + noun + "s"
}

type remark struct {
	colour color.RGBA
	text   string
}

// remarks explain the colours outside the scale, where there are any.
func (h *heatmap) remarks() (remarks []remark) {
	var bad, unused bool
	for _, p := range h.panels {
		bad = bad || slices.Contains(p.class, classNone) ||
			slices.ContainsFunc(p.value, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
		unused = unused || slices.Contains(p.class, classIgnored)
	}
	if bad {
		remarks = append(remarks, remark{notFinite, "not finite"})
	}
	if unused {
		remarks = append(remarks, remark{palette.Ignored, "ignored"})
	}
	return remarks
}

// mark outlines a cell in white with black around it, which shows on any colour:
// inside a cell that is large enough to keep its colour, else around it.
func mark(img *image.RGBA, cell image.Rectangle) {
	line := 3
	if cell.Dx() < 8*line || cell.Dy() < 8*line {
		line = 2
		cell = cell.Inset(-2*line - 1)
	}
	frame(img, cell.Inset(line), line, color.White)
	frame(img, cell, line, color.Black)
}

// fill paints a rectangle; what lies outside the image is left out.
func fill(img *image.RGBA, r image.Rectangle, c color.RGBA) {
	r = r.Intersect(img.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := img.Pix[img.PixOffset(r.Min.X, y):img.PixOffset(r.Max.X, y)]
		for i := 0; i < len(row); i += 4 {
			row[i], row[i+1], row[i+2], row[i+3] = c.R, c.G, c.B, c.A
		}
	}
}

// frame paints the border of r, line pixels wide, inside it.
func frame(img *image.RGBA, r image.Rectangle, line int, c color.Color) {
	rgba := color.RGBAModel.Convert(c).(color.RGBA)
	fill(img, image.Rect(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+line), rgba)
	fill(img, image.Rect(r.Min.X, r.Max.Y-line, r.Max.X, r.Max.Y), rgba)
	fill(img, image.Rect(r.Min.X, r.Min.Y, r.Min.X+line, r.Max.Y), rgba)
	fill(img, image.Rect(r.Max.X-line, r.Min.Y, r.Max.X, r.Max.Y), rgba)
}
