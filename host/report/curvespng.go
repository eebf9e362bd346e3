package report

import (
	"cmp"
	"fmt"
	"image/color"
	"strings"
	"unicode"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Size of loss.png: 7 × 4.4 inches at twice the density of a plain screen.
const (
	curvesWidth  = 7 * vg.Inch
	curvesHeight = 4.4 * vg.Inch
	curvesDPI    = 192
)

// CurvesPNG draws losses over steps on a logarithmic scale: each run faint with
// its moving mean strong, validations with markers, several runs over each other
// with a legend. It draws
// any values (see [Curve]); curves of unequal columns are an error.
func CurvesPNG(title string, curves []Curve) ([]byte, error) {
	c, err := newChart(title, "loss", curves, pickStyles(curves))
	if err != nil {
		return nil, err
	}
	return c.png()
}

// png draws the chart. The plotting library panics where it cannot go on; that
// becomes an error here, so that a figure never ends a run.
func (c *chart) png() (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			data, err = nil, fmt.Errorf("draw %q: %v", c.title, r)
		}
	}()
	p := plot.New()
	names := p.X.Tick.Label
	names.Font = sans(11)
	names.XAlign, names.YAlign = draw.XLeft, draw.YCenter
	legend := c.legendRows(names)

	p.Title.Text = cmp.Or(plainText(c.title), " ") // "" would leave no room for the legend
	p.Title.TextStyle.Font = sans(15)
	p.Title.Padding = vg.Length(8 + legendHeight*len(legend))
	p.X.Label.Text = "steps"
	if remark := c.remark(); remark != "" {
		p.X.Label.Text += " (" + remark + ")"
	}
	p.Y.Label.Text = c.unit + ", log scale"
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = c.x0, c.x1, c.y0, c.y1
	for axis, ticks := range map[*plot.Axis][]tick{&p.X: c.xTicks, &p.Y: c.yTicks} {
		axis.Tick.Marker = constantTicks(ticks)
		axis.Label.TextStyle.Font = sans(12)
		axis.Tick.Label.Font = sans(11)
		axis.Padding = 0
		axis.LineStyle.Color = color.Gray{0x88}
		axis.Tick.LineStyle.Color = color.Gray{0x88}
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color = color.Gray{0xE6}
	grid.Horizontal.Color = color.Gray{0xE6}
	p.Add(grid)

	// All faint lines lie below all strong ones, and markers above all.
	if c.faint {
		for _, l := range c.lines {
			style := l.stroke(0.9)
			style.Color = faded(curveColours[l.colour])
			p.Add(segments{l.raw, style})
		}
	}
	for _, l := range c.lines {
		width := 1.9
		if l.sparse {
			width = 1.1
		}
		p.Add(segments{l.mean, l.stroke(width)})
	}
	for _, l := range c.lines {
		colour := curveColours[l.colour]
		p.Add(dots{l.markers, 2.3, colour}, dots{l.best, 5.2, colour}, dots{l.best, 2.9, color.White})
	}

	height := curvesHeight + vg.Length(legendHeight*max(0, len(legend)-plainRows))
	img := vgimg.NewWith(vgimg.UseWH(curvesWidth, height), vgimg.UseDPI(curvesDPI))
	canvas := draw.New(img)
	canvas.FillPolygon(color.White, rectangle(canvas.Rectangle))
	inner := draw.Crop(canvas, vg.Points(8), -vg.Points(16), vg.Points(8), -vg.Points(10))
	p.Draw(inner)
	plotted := p.DataCanvas(inner)
	drawLegend(inner, plotted, names, legend)
	if c.empty {
		names.XAlign = draw.XCenter
		inner.FillText(names, plotted.Center(), "no value to draw")
	}

	if data, err = encodePNG(img.Image()); err != nil {
		return nil, fmt.Errorf("draw %q: %w", c.title, err)
	}
	return data, nil
}

// legendRow is one line of the legend: a name with its line each.
type legendRow []legendEntry

type legendEntry struct {
	legendName
	x vg.Length // from the left edge of the data
}

const (
	legendLine   = 18 // points of the coloured dash before a name
	legendGap    = 14 // points between a name and the next dash
	legendHeight = 15 // points of a row
	plainRows    = 3  // rows that fit into the plain height; each further one adds to it
)

// legendRows sets the legend in as many rows as it takes.
func (c *chart) legendRows(style draw.TextStyle) (rows []legendRow) {
	const widest = curvesWidth - 90
	var x vg.Length
	for _, l := range c.legend {
		l.name = plainText(l.name)
		for runes := []rune(l.name); legendLine+5+style.Width(l.name) > widest && len(runes) > 1; {
			runes = runes[:len(runes)-1]
			l.name = string(runes) + "…"
		}
		width := legendLine + 5 + style.Width(l.name) + legendGap
		if rows == nil || x+width-legendGap > widest {
			rows, x = append(rows, nil), 0
		}
		last := len(rows) - 1
		rows[last] = append(rows[last], legendEntry{l, x})
		x += width
	}
	return rows
}

// drawLegend writes the names between title and data, where no curve can hide
// them.
func drawLegend(canvas, data draw.Canvas, style draw.TextStyle, rows []legendRow) {
	for i, row := range rows {
		y := data.Max.Y + vg.Length(legendHeight*(len(rows)-i)-4)
		for _, e := range row {
			x := data.Min.X + e.x
			width := 2.5
			if e.sparse {
				width = 1.1
			}
			canvas.StrokeLine2(e.stroke(width), x, y, x+legendLine, y)
			if e.sparse {
				canvas.DrawGlyphNoClip(draw.GlyphStyle{Color: curveColours[e.colour], Radius: 2.3, Shape: draw.CircleGlyph{}},
					vg.Point{X: x + legendLine/2, Y: y})
			}
			canvas.FillText(style, vg.Point{X: x + legendLine + 5, Y: y}, e.name)
		}
	}
}

// stroke is how a line of that width, in points, is drawn.
func (s lineStyle) stroke(width float64) draw.LineStyle {
	line := draw.LineStyle{Color: curveColours[s.colour], Width: vg.Points(width)}
	for _, n := range dashes[s.dash] {
		line.Dashes = append(line.Dashes, vg.Points(n))
	}
	return line
}

func faded(c color.NRGBA) color.NRGBA {
	c.A = 0x48
	return c
}

// remark explains the lines where they need it.
func (c *chart) remark() string {
	window, sparse, ring := 1, false, false
	for _, l := range c.lines {
		window = max(window, l.window)
		sparse = sparse || l.sparse
		ring = ring || len(l.best) > 0
	}
	var parts []string
	switch {
	case window > 1 && c.faint:
		parts = append(parts, fmt.Sprintf("faint: every step, strong: moving mean of %d", window))
	case window > 1:
		parts = append(parts, fmt.Sprintf("moving means of %d steps", window))
	}
	if sparse && len(c.legend) > 2 {
		parts = append(parts, "dots: validation")
	}
	if ring {
		parts = append(parts, "ring: best step")
	}
	if c.clamped {
		parts = append(parts, "0 lies on the lower edge")
	}
	return strings.Join(parts, "; ")
}

// segments draws lines with gaps. A point between two gaps becomes a dot.
type segments struct {
	points [][]point
	style  draw.LineStyle
}

var _ plot.Plotter = segments{}

// Plot implements [plot.Plotter].
func (s segments) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	for _, segment := range s.points {
		line := make([]vg.Point, len(segment))
		for i, at := range segment {
			line[i] = vg.Point{X: toX(at.x), Y: toY(at.y)}
		}
		if len(line) == 1 {
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: s.style.Color, Radius: 1.3 * s.style.Width, Shape: draw.CircleGlyph{}}, line[0])
			continue
		}
		c.StrokeLines(s.style, line)
	}
}

// dots draws markers of a radius in points.
type dots struct {
	points []point
	radius float64
	colour color.Color
}

var _ plot.Plotter = dots{}

// Plot implements [plot.Plotter].
func (d dots) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	for _, at := range d.points {
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: d.colour, Radius: vg.Points(d.radius), Shape: draw.CircleGlyph{}},
			vg.Point{X: toX(at.x), Y: toY(at.y)})
	}
}

func constantTicks(ticks []tick) plot.ConstantTicks {
	var marks []plot.Tick
	for _, t := range ticks {
		marks = append(marks, plot.Tick{Value: t.at, Label: t.label})
	}
	return marks
}

// sans is the typeface of all figures.
func sans(points float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(points)}
}

func rectangle(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}}
}

// plainText makes foreign text one line of bounded length for a figure.
func plainText(s string) string {
	const most = 90
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}
