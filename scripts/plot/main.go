// Plot draws a benchmark's table of runs: for each group the single runs as dots
// and their median as a bar.
//
//	go run ./scripts/plot -x case -by engine,threads -y step_ms -log bench/cpu.tsv bench/cpu.png
//	go run ./scripts/plot -x cell -y pixel_error,image_error bench/mnist_cells.tsv bench/mnist_cells.png
//
// The input is TSV with a header. Groups of -x stand beside each other, the
// values of -by, or the columns of -y, beside each other within a group and in
// colours of their own; with -panels each column of -y has a plot of its own, one
// above the other. Several columns of -x are one name. Values that are no finite
// number (of a run that stopped) are left out; a group without any stays empty.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"image/color"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
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
	var plots [][]*plot.Plot
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
		plots = append(plots, []*plot.Plot{p})
		width = max(width, vg.Length(120+len(t.groups)*max(70, 26*len(t.series)))*vg.Points(1))
	}
	return save(plots, width, vg.Length(len(plots))*panelHeight, files[1])
}

const panelHeight = 300

// save draws plots below each other, their axes aligned.
func save(plots [][]*plot.Plot, width, height vg.Length, file string) error {
	canvas := vgimg.New(width, height)
	tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadY: vg.Points(10)}
	for i, row := range plot.Align(plots, tiles, draw.New(canvas)) {
		plots[i][0].Draw(row[0])
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = vgimg.PngCanvas{Canvas: canvas}.WriteTo(f)
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

// The colours of Okabe and Ito, which most eyes can tell apart.
var colours = []color.Color{
	color.RGBA{0x00, 0x72, 0xb2, 0xff}, color.RGBA{0xd5, 0x5e, 0x00, 0xff}, color.RGBA{0x00, 0x9e, 0x73, 0xff},
	color.RGBA{0xcc, 0x79, 0xa7, 0xff}, color.RGBA{0xe6, 0x9f, 0x00, 0xff}, color.RGBA{0x56, 0xb4, 0xe9, 0xff},
	color.RGBA{0x55, 0x55, 0x55, 0xff},
}

func (t table) plot(o options) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = o.title
	p.Y.Label.Text = o.unit
	if o.unit == "" {
		p.Y.Label.Text = o.y
	}
	lowest, highest := math.Inf(1), math.Inf(-1)
	for s, series := range t.series {
		colour := colours[s%len(colours)]
		var dots plotter.XYs
		for g, group := range t.groups {
			runs := t.values[[2]string{group, series}]
			if len(runs) == 0 {
				continue
			}
			at := float64(g) + 0.8*(float64(s)+0.5)/float64(len(t.series)) - 0.4
			for _, v := range runs {
				if o.log && v <= 0 {
					return nil, fmt.Errorf("%s of %s is %v: a logarithmic axis wants positive values", series, group, v)
				}
				lowest, highest = min(lowest, v), max(highest, v)
				dots = append(dots, plotter.XY{X: at, Y: v})
			}
			half, m := 0.3/float64(len(t.series)), median(runs)
			bar, err := plotter.NewLine(plotter.XYs{{X: at - half, Y: m}, {X: at + half, Y: m}})
			if err != nil {
				return nil, err
			}
			bar.Width, bar.Color = vg.Points(2), colour
			p.Add(bar)
		}
		if dots == nil {
			continue
		}
		scatter, err := plotter.NewScatter(dots)
		if err != nil {
			return nil, err
		}
		scatter.Color, scatter.Shape, scatter.Radius = colour, draw.CircleGlyph{}, vg.Points(2)
		p.Add(scatter)
		if len(t.series) > 1 {
			p.Legend.Add(series, scatter)
		}
	}
	p.Legend.Top = true
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	p.Add(grid)
	p.NominalX(t.groups...)
	p.X.Tick.Label.Rotation = math.Pi / 8
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = text.XRight, text.YTop
	p.X.Min, p.X.Max = -0.5, float64(len(t.groups))-0.5
	if math.IsInf(lowest, 0) {
		return p, nil // nothing but stopped runs
	}
	// Room for the legend above the values, in values' heights: a line of it takes
	// about a sixteenth of the axis.
	lines := float64(len(t.series))
	room := max(0.25, lines/(16-min(lines, 8)))
	if o.log {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		p.Y.Max = highest * max(2, math.Pow(highest/lowest, room))
	} else {
		p.Y.Min, p.Y.Max = 0, (1+max(0.3, room))*highest
	}
	return p, nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
