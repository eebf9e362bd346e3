// Plot draws a benchmark's table of runs: for each group the single runs as dots
// and their median as a bar.
//
//	go run ./scripts/plot -x case -by engine,threads -y step_ms -log bench/cpu.tsv bench/cpu.png
//	go run ./scripts/plot -x cell -y pixel_error,image_error bench/mnist_cells.tsv bench/mnist_cells.png
//
// The input is TSV with a header. Groups of -x stand beside each other, the
// values of -by, or the columns of -y, beside each other within a group, each
// in a colour and a shape of its own; with -panels each column of -y has a plot of
// its own, one above the other. Several columns of -x are one name. Values that are no finite
// number (of a run that stopped) are left out; a group without any stays empty.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"mdlstm-gpu/host/palette"
)

func main() {
	o := options{}
	flag.StringVar(&o.x, "x", "", "column of the groups, or several with commas")
	flag.StringVar(&o.by, "by", "", "column of the series, or several with commas; without it each column of -y is one")
	flag.StringVar(&o.y, "y", "", "column of the values, or several with commas")
	flag.StringVar(&o.title, "title", "", "title")
	flag.StringVar(&o.unit, "unit", "", "label of the axis; without it -y")
	flag.BoolVar(&o.panels, "panels", false, "a plot for each column of -y, with its name as label")
	flag.BoolVar(&o.log, "log", false, "logarithmic axis: values must be positive")
	flag.Parse()
	if err := run(o, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "plot: %v\n", err)
		os.Exit(1)
	}
}

type options struct {
	x, by, y, title, unit string
	log, panels           bool
}

func run(o options, files []string) error {
	if o.x == "" || o.y == "" || len(files) != 2 {
		return fmt.Errorf("usage: plot -x COLUMN -y COLUMN[,COLUMN…] [-by COLUMN] IN.tsv OUT.png")
	}
	panels := []options{o}
	if o.panels {
		panels = nil
		for _, y := range strings.Split(o.y, ",") {
			one := o
			one.y, one.unit = y, ""
			if len(panels) > 0 {
				one.title = ""
			}
			panels = append(panels, one)
		}
	}
	var drawn []panel
	var width vg.Length
	for _, one := range panels {
		t, err := readFile(files[0], one)
		if err != nil {
			return err
		}
		p, err := t.plot(one)
		if err != nil {
			return err
		}
		drawn = append(drawn, p)
		width = max(width, t.width())
	}
	return save(drawn, width, files[1])
}

const (
	panelHeight = 300 // points, as all lengths here
	axisWidth   = 80
	margin      = 8
)

// width is room for the groups: for their names beside each other, and for the
// series of each.
func (t table) width() vg.Length {
	wide := max(70, 26*len(t.series))
	for _, group := range t.groups {
		wide = max(wide, 7*len(group)+10)
	}
	return vg.Length(wide * len(t.groups))
}

// panel is a plot and the legend beside it, where it hides nothing.
type panel struct {
	plot   *plot.Plot
	legend plot.Legend
}

// save draws plots of a width below each other, their axes aligned.
func save(panels []panel, width vg.Length, file string) error {
	var plots [][]*plot.Plot
	var beside vg.Length
	for _, p := range panels {
		plots = append(plots, []*plot.Plot{p.plot})
		beside = max(beside, p.legend.Rectangle(draw.Canvas{}).Size().X)
	}
	if beside > 0 {
		beside += margin
	}
	picture := vgimg.New(width+axisWidth+beside+2*margin, vg.Length(len(plots))*panelHeight)
	canvas := draw.New(picture)
	inside := draw.Crop(canvas, margin, -margin-beside, margin, -margin)
	tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadY: vg.Points(10)}
	for i, row := range plot.Align(plots, tiles, inside) {
		plots[i][0].Draw(row[0])
		right := row[0]
		right.Min.X, right.Max.X = right.Max.X+margin, canvas.Max.X
		panels[i].legend.Draw(right)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = vgimg.PngCanvas{Canvas: picture}.WriteTo(f)
	return errors.Join(err, f.Close())
}

func readFile(name string, o options) (table, error) {
	f, err := os.Open(name)
	if err != nil {
		return table{}, err
	}
	defer f.Close()
	t, err := read(bufio.NewScanner(f), o)
	if err != nil {
		return t, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// table holds the runs' values, [group, series].
type table struct {
	groups, series []string // in the order of their first appearance
	values         map[[2]string][]float64
}

func read(lines *bufio.Scanner, o options) (table, error) {
	t := table{values: map[[2]string][]float64{}}
	if !lines.Scan() {
		return t, fmt.Errorf("no header line")
	}
	header := strings.Split(lines.Text(), "\t")
	column := func(name string) (int, error) {
		if i := slices.Index(header, name); i >= 0 {
			return i, nil
		}
		return 0, fmt.Errorf("no column %q: want one of %s", name, strings.Join(header, ", "))
	}
	columns := func(names string) (is []int, err error) {
		for _, name := range strings.Split(names, ",") {
			i, err := column(name)
			if err != nil {
				return nil, err
			}
			is = append(is, i)
		}
		return is, nil
	}
	xs, err := columns(o.x)
	if err != nil {
		return t, err
	}
	var by []int
	if o.by != "" {
		if by, err = columns(o.by); err != nil {
			return t, err
		}
	}
	for number := 2; lines.Scan(); number++ {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != len(header) {
			return t, fmt.Errorf("line %d: %d fields, want %d", number, len(fields), len(header))
		}
		for _, name := range strings.Split(o.y, ",") {
			y, err := column(name)
			if err != nil {
				return t, err
			}
			series := name
			if by != nil {
				series = pick(fields, by)
			}
			v, err := strconv.ParseFloat(fields[y], 64)
			if err != nil {
				return t, fmt.Errorf("line %d: column %s is %q, want a number", number, name, fields[y])
			}
			t.add(pick(fields, xs), series, v)
		}
	}
	return t, lines.Err()
}

// pick is the name that some fields of a line make together.
func pick(fields []string, columns []int) string {
	var parts []string
	for _, i := range columns {
		parts = append(parts, fields[i])
	}
	return strings.Join(parts, " ")
}

func (t *table) add(group, series string, v float64) {
	if !slices.Contains(t.groups, group) {
		t.groups = append(t.groups, group)
	}
	if !slices.Contains(t.series, series) {
		t.series = append(t.series, series)
	}
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		key := [2]string{group, series}
		t.values[key] = append(t.values[key], v)
	}
}

// styles are those of the series: classes of package palette, whose colours any
// eye can tell apart, without the yellow one, which is too light for thin marks on
// white; and shapes, for those who see no colours.
var styles = []struct {
	class int
	shape draw.GlyphDrawer
}{
	{5, draw.CircleGlyph{}}, {6, draw.SquareGlyph{}}, {3, draw.TriangleGlyph{}}, {7, draw.PyramidGlyph{}},
	{1, draw.PlusGlyph{}}, {2, draw.CrossGlyph{}}, {0, draw.RingGlyph{}}, {8, draw.BoxGlyph{}},
}

func (t table) plot(o options) (panel, error) {
	if len(t.series) > len(styles) {
		return panel{}, fmt.Errorf("%d series, want at most %d: leave a column of -by or -y out", len(t.series), len(styles))
	}
	p, legend := plot.New(), plot.NewLegend()
	legend.Top, legend.Left, legend.Padding = true, true, vg.Points(5)
	p.Title.Text = o.title
	p.Y.Label.Text = o.unit
	if o.unit == "" {
		p.Y.Label.Text = o.y
	}
	lowest, highest := math.Inf(1), math.Inf(-1)
	for s, series := range t.series {
		colour, shape := palette.Class(styles[s].class), styles[s].shape
		var dots plotter.XYs
		var bar *plotter.Line
		for g, group := range t.groups {
			runs := t.values[[2]string{group, series}]
			if len(runs) == 0 {
				continue
			}
			at := float64(g) + 0.8*(float64(s)+0.5)/float64(len(t.series)) - 0.4
			for _, v := range runs {
				if o.log && v <= 0 {
					return panel{}, fmt.Errorf("%s of %s is %v: a logarithmic axis wants positive values", series, group, v)
				}
				lowest, highest = min(lowest, v), max(highest, v)
				dots = append(dots, plotter.XY{X: at, Y: v})
			}
			half, m := 0.3/float64(len(t.series)), median(runs)
			var err error
			if bar, err = plotter.NewLine(plotter.XYs{{X: at - half, Y: m}, {X: at + half, Y: m}}); err != nil {
				return panel{}, err
			}
			bar.Width, bar.Color = vg.Points(2), colour
			p.Add(bar)
		}
		if dots == nil {
			continue
		}
		scatter, err := plotter.NewScatter(dots)
		if err != nil {
			return panel{}, err
		}
		scatter.Color, scatter.Shape, scatter.Radius = colour, shape, vg.Points(3)
		p.Add(scatter)
		if len(t.series) > 1 {
			legend.Add(series, bar, scatter)
		}
	}
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	p.Add(grid)
	p.NominalX(t.groups...)
	p.X.Min, p.X.Max = -0.5, float64(len(t.groups))-0.5
	if math.IsInf(lowest, 0) {
		return panel{p, legend}, nil // nothing but stopped runs
	}
	if o.log { // whole decades: both ends have a label
		from, to := int(math.Floor(math.Log10(lowest))), int(math.Ceil(math.Log10(highest)))
		to = max(to, from+1)
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades(from, to)
		p.Y.Min, p.Y.Max = math.Pow10(from), math.Pow10(to)
	} else {
		p.Y.Min, p.Y.Max = 0, 1.05*highest
	}
	return panel{p, legend}, nil
}

// decades are the ticks of a logarithmic axis from 10^from to 10^to. Those of
// plot.LogTicks can lack the lowest label.
func decades(from, to int) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for e := from; e <= to; e++ {
		power := math.Pow10(e)
		ticks = append(ticks, plot.Tick{Value: power, Label: strconv.FormatFloat(power, 'g', -1, 64)})
		for i := 2; i < 10 && e < to; i++ {
			ticks = append(ticks, plot.Tick{Value: float64(i) * power})
		}
	}
	return ticks
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
