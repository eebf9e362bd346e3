package report

import (
	"fmt"
	"math"
	"slices"
)

// Curve is a loss over the steps of one run. Values are drawn on a logarithmic
// scale: NaN and infinities leave a gap, zero and less lie on the lower edge.
type Curve struct {
	Name   string // in the legend
	Model  string // MD_LSTM and the seed's two others have colours of their own
	Steps  []int64
	Values []float64 // as long as Steps

	// Sparse values are measured now and then, as validations are: each one has
	// a marker, and there is no moving mean. Best is the step whose marker is a
	// ring, -1 = none.
	Sparse bool
	Best   int64
}

// maxColumns bounds the points of a drawn line: beyond it, steps share a column
// and the raw line shows the least and the greatest of each.
const maxColumns = 700

// maxMarkers bounds the markers of a line, and maxFaint the runs whose every
// step is drawn faintly below their mean: beyond them a figure is a blur.
const (
	maxMarkers = 60
	maxFaint   = 6
)

// chart is a figure of curves with all its geometry, before it becomes pixels or
// the page's SVG. x is the step, y the logarithm (base 10) of the loss.
type chart struct {
	title, unit    string // unit of the values: "loss"
	x0, x1, y0, y1 float64
	xTicks, yTicks []tick
	lines          []chartLine
	empty          bool // there is no value to draw
	clamped        bool // a value of zero or less lies on the lower edge
	faint          bool // every step is drawn, below the means
	legend         []legendName
}

// legendName is a line of the legend.
type legendName struct {
	name string
	lineStyle
	sparse bool
}

// chartLine is one curve, split where it has gaps.
type chartLine struct {
	lineStyle
	sparse    bool
	window    int       // steps in the moving mean
	raw, mean [][]point // a sparse line is its mean
	markers   []point
	best      []point // the ring
}

type point struct{ x, y float64 }

// newChart lays out the curves of one figure. Each has the style of the same
// index.
func newChart(title, unit string, curves []Curve, styles []lineStyle) (*chart, error) {
	c := &chart{title: title, unit: unit, x0: math.Inf(1), x1: math.Inf(-1)}
	c.y0, c.y1, c.empty = valueRange(curves)
	for _, curve := range curves {
		c.clamped = c.clamped || slices.ContainsFunc(curve.Values, func(v float64) bool { return v <= 0 && !math.IsInf(v, 0) })
	}
	for i, curve := range curves {
		if len(curve.Steps) != len(curve.Values) {
			return nil, fmt.Errorf("curve %q of %q: %d steps and %d values, want as many", curve.Name, title, len(curve.Steps), len(curve.Values))
		}
		for _, step := range curve.Steps {
			c.x0, c.x1 = min(c.x0, float64(step)), max(c.x1, float64(step))
		}
		c.lines = append(c.lines, c.line(curve, styles[i]))
	}
	if c.x0 > c.x1 {
		c.x0, c.x1 = 0, 1
	}
	if c.x0 == c.x1 {
		c.x1++
	}
	c.xTicks = stepTicks(c.x0, c.x1, 5)
	c.yTicks = logTicks(c.y0, c.y1)
	c.name(curves)
	return c, nil
}

// name fills the legend: several runs by their names, one run with validations
// by its two lines. A line of its own needs no name.
func (c *chart) name(curves []Curve) {
	dense := 0
	for _, l := range c.lines {
		if !l.sparse {
			dense++
		}
	}
	c.faint = dense <= maxFaint
	if len(c.lines) < 2 {
		return
	}
	for i, l := range c.lines {
		switch {
		case dense == 1 && l.sparse:
			c.legend = append(c.legend, legendName{"validation", l.lineStyle, true})
		case dense == 1 && len(c.lines) == 2:
			c.legend = append(c.legend, legendName{"training", l.lineStyle, false})
		case !l.sparse || dense == 0: // a run's validations have its colour, and the remark names them
			c.legend = append(c.legend, legendName{curves[i].Name, l.lineStyle, l.sparse})
		}
	}
}

// valueRange is the range of the logarithms with a margin, never narrower than
// 0.2 decades.
func valueRange(curves []Curve) (lo, hi float64, empty bool) {
	lo, hi, empty = math.Inf(1), math.Inf(-1), true
	for _, curve := range curves {
		for _, v := range curve.Values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			empty = false
			if v > 0 {
				lo, hi = min(lo, decimal(v)), max(hi, decimal(v))
			}
		}
	}
	if lo > hi { // nothing is positive
		return -1, 0, empty
	}
	margin := max(0.04*(hi-lo), (0.2-(hi-lo))/2, 0.01)
	return lo - margin, hi + margin, empty
}

// decimal is log10 of a positive value, kept away from the ends of float64 so
// that powers of the axis' ends exist.
func decimal(v float64) float64 {
	return min(max(math.Log10(v), -300), 300)
}

// line thins a curve to at most maxColumns columns and adds its moving mean.
func (c *chart) line(curve Curve, style lineStyle) chartLine {
	if curve.Sparse {
		return c.sparseLine(curve, style)
	}
	n := len(curve.Values)
	perColumn := max(1, (n+maxColumns-1)/maxColumns)
	l := chartLine{lineStyle: style, window: max(meanWindow(n), perColumn|1)}
	var raw, mean gapped
	for from := 0; from < n; from += perColumn {
		to := min(from+perColumn, n)
		low, high := -1, -1
		for i := from; i < to; i++ {
			v := curve.Values[i]
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			if low < 0 || v < curve.Values[low] {
				low = i
			}
			if high < 0 || v > curve.Values[high] {
				high = i
			}
		}
		if low < 0 {
			raw.gap()
			mean.gap()
			continue
		}
		first, second := min(low, high), max(low, high)
		raw.add(float64(curve.Steps[first]), c.y(curve.Values[first]))
		if second != first {
			raw.add(float64(curve.Steps[second]), c.y(curve.Values[second]))
		}
		centre, half := from+(to-from)/2, l.window/2
		m := finiteMean(curve.Values[max(0, centre-half):min(n, centre+half+1)])
		mean.add(float64(curve.Steps[centre]), c.y(m))
	}
	l.raw, l.mean = raw.segments(), mean.segments()
	return l
}

// sparseLine joins all values and marks them, or some of them where they are
// many; the last and the best keep their markers.
func (c *chart) sparseLine(curve Curve, style lineStyle) chartLine {
	l := chartLine{lineStyle: style, sparse: true, window: 1}
	var line gapped
	n := len(curve.Values)
	every := max(1, ceilDiv(n, maxMarkers))
	for i, v := range curve.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			line.gap()
			continue
		}
		at := point{float64(curve.Steps[i]), c.y(v)}
		line.add(at.x, at.y)
		if i%every == 0 || i == n-1 {
			l.markers = append(l.markers, at)
		}
		if curve.Best >= 0 && curve.Steps[i] == curve.Best {
			l.best = []point{at}
		}
	}
	l.mean = line.segments()
	return l
}

// y places a finite value.
func (c *chart) y(v float64) float64 {
	if v <= 0 {
		return c.y0
	}
	return min(max(decimal(v), c.y0), c.y1)
}

// meanWindow is how many steps around a point the strong line of a curve of n
// steps averages: an odd number, about a twentieth of the run and at most 51. A
// thinned curve averages at least the steps of a column.
func meanWindow(n int) int { return 1 + 2*min(n/40, lastSteps/2) }

// gapped collects points into segments.
type gapped struct{ done [][]point }

func (g *gapped) add(x, y float64) {
	if len(g.done) == 0 {
		g.done = append(g.done, nil)
	}
	last := len(g.done) - 1
	g.done[last] = append(g.done[last], point{x, y})
}

func (g *gapped) gap() {
	if n := len(g.done); n > 0 && len(g.done[n-1]) > 0 {
		g.done = append(g.done, nil)
	}
}

// segments drops the empty one that a gap at the end leaves.
func (g *gapped) segments() [][]point {
	return slices.DeleteFunc(g.done, func(s []point) bool { return len(s) == 0 })
}
