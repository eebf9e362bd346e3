package report

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"
)

// curveOf is a curve over steps 0, 1, 2 …
func curveOf(name string, values ...float64) Curve {
	c := Curve{Name: name, Values: values}
	for i := range values {
		c.Steps = append(c.Steps, int64(i))
	}
	return c
}

// chartOf lays out curves as CurvesPNG does.
func chartOf(curves ...Curve) (*chart, error) {
	return newChart("", "loss", curves, pickStyles(curves))
}

func decode(t *testing.T, data []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// heights counts the pixels of a colour, and says how high they lie on average
// in the left and the right third of the image, 0 top and 1 bottom.
func heights(img image.Image, want color.NRGBA) (count int, left, right float64) {
	b := img.Bounds()
	var sum, n [2]float64
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA) != want {
				continue
			}
			count++
			switch third := 3 * (x - b.Min.X) / b.Dx(); third {
			case 0, 2:
				sum[third/2] += float64(y) / float64(b.Dy())
				n[third/2]++
			}
		}
	}
	return count, sum[0] / n[0], sum[1] / n[1]
}

func TestCurvesPNGDrawsAnything(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	long := make([]float64, 20000)
	for i := range long {
		long[i] = math.Exp(-float64(i) / 3000)
	}
	for _, c := range []struct {
		name   string
		curves []Curve
		blank  bool
	}{
		{"one step", []Curve{curveOf("a", 0.3)}, false},
		{"all equal", []Curve{curveOf("a", 0.3, 0.3, 0.3)}, false},
		{"zeros", []Curve{curveOf("a", 0, 0, 0)}, false},
		{"one zero", []Curve{curveOf("a", 0)}, false},
		{"negative", []Curve{curveOf("a", -1, 1, -1)}, false},
		{"gaps", []Curve{curveOf("a", nan, 1, nan, nan, 2, 3, nan)}, false},
		{"infinities", []Curve{curveOf("a", inf, 1, -inf, 2)}, false},
		{"huge span", []Curve{curveOf("a", 5e-324, math.MaxFloat64, 1)}, false},
		{"smallest", []Curve{curveOf("a", 5e-324)}, false},
		{"largest", []Curve{curveOf("a", math.MaxFloat64, math.MaxFloat64)}, false},
		{"long", []Curve{curveOf("a", long...)}, false},
		{"a run without steps beside one with", []Curve{curveOf("a", 1, 2), curveOf("b")}, false},
		{"hostile name", []Curve{curveOf("a", 1), curveOf("\x00\n<b>"+strings.Repeat("é", 500), 1)}, false},
		{"only NaN", []Curve{curveOf("a", nan, nan)}, true},
		{"only infinities", []Curve{curveOf("a", inf, -inf)}, true},
		{"no steps", []Curve{curveOf("a")}, true},
		{"no curves", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			data, err := CurvesPNG("Loss", c.curves)
			if err != nil {
				t.Fatal(err)
			}
			img := decode(t, data)
			if got := img.Bounds().Size(); got != image.Pt(1344, 845) {
				t.Errorf("size %v, want 1344 × 845", got)
			}
			count, _, _ := heights(img, curveColours[0])
			if (count < 20) != c.blank {
				t.Errorf("%d pixels of the curve's colour, want none: %v", count, c.blank)
			}
		})
	}
}

func TestCurvesFallWhereTheLossFalls(t *testing.T) {
	for _, c := range []struct {
		name  string
		value func(i int) float64
		sign  float64
	}{
		{"falling", func(i int) float64 { return math.Pow(0.9, float64(i)) }, 1},
		{"rising", func(i int) float64 { return math.Pow(1.1, float64(i)) }, -1},
	} {
		values := make([]float64, 100)
		for i := range values {
			values[i] = c.value(i)
		}
		data, err := CurvesPNG("Loss", []Curve{curveOf("a", values...)})
		if err != nil {
			t.Fatal(err)
		}
		_, left, right := heights(decode(t, data), curveColours[0])
		if drop := c.sign * (right - left); !(drop > 0.4) {
			t.Errorf("%s: the line goes down by %.2f of the height, want more than 0.4", c.name, drop)
		}
	}
}

func TestCurvesHaveTheirModelsColours(t *testing.T) {
	var curves []Curve
	for i, model := range []string{"SNAKE_SD_LSTM", "MD_LSTM", "HORIZONTAL_SD_LSTM"} {
		c := curveOf(model, 1, 1, 1)
		for j := range c.Values {
			c.Values[j] = math.Pow(10, float64(-i))
		}
		c.Model = model
		curves = append(curves, c)
	}
	data, err := CurvesPNG("Loss", curves)
	if err != nil {
		t.Fatal(err)
	}
	img := decode(t, data)
	_, snake, _ := heights(img, curveColours[2])
	_, md, _ := heights(img, curveColours[0])
	_, horizontal, _ := heights(img, curveColours[1])
	if !(snake < md && md < horizontal) {
		t.Errorf("heights of snake, md, horizontal %.2f, %.2f, %.2f: want them from top to bottom", snake, md, horizontal)
	}
	if n, _, _ := heights(img, curveColours[3]); n > 0 {
		t.Errorf("%d pixels of a fourth colour", n)
	}
}

func TestCurvesPNGRefusesUnequalColumns(t *testing.T) {
	_, err := CurvesPNG("Loss", []Curve{{Name: "bad", Steps: []int64{0}, Values: []float64{1, 2}}})
	if err == nil || !strings.Contains(err.Error(), `"bad"`) {
		t.Errorf("got %v, want an error that names the curve", err)
	}
}

func TestChartKeepsExtremesAndGaps(t *testing.T) {
	values := make([]float64, 100_000)
	for i := range values {
		values[i] = 1
	}
	values[12345], values[67890] = 1000, 0.001
	for i := 30_000; i < 40_000; i++ {
		values[i] = math.NaN()
	}
	c, err := chartOf(curveOf("a", values...))
	if err != nil {
		t.Fatal(err)
	}
	l := c.lines[0]
	if len(l.raw) != 2 || len(l.mean) != 2 {
		t.Fatalf("%d raw and %d mean segments around one gap, want 2", len(l.raw), len(l.mean))
	}
	points, low, high := 0, math.Inf(1), math.Inf(-1)
	for _, s := range l.raw {
		points += len(s)
		for i, p := range s {
			low, high = min(low, p.y), max(high, p.y)
			if i > 0 && p.x <= s[i-1].x {
				t.Fatalf("step %g after step %g", p.x, s[i-1].x)
			}
		}
	}
	if points > 2*maxColumns {
		t.Errorf("%d points, want at most %d", points, 2*maxColumns)
	}
	if low != -3 || high != 3 {
		t.Errorf("drawn from 10^%g to 10^%g, want -3 to 3", low, high)
	}
}

func TestMovingMean(t *testing.T) {
	values := make([]float64, 2000) // window 51
	for i := range values {
		values[i] = float64(i + 1)
	}
	values[1000] = math.NaN()
	c, err := chartOf(curveOf("a", values...))
	if err != nil {
		t.Fatal(err)
	}
	got := map[float64]float64{}
	for _, s := range c.lines[0].mean {
		for _, p := range s {
			got[p.x] = math.Pow(10, p.y)
		}
	}
	// Three steps share a column, whose middle is 3k + 1. Means over 25 to each
	// side; 1 … 27 at the start, without the gap around 1000.
	for step, want := range map[float64]float64{1: 14, 400: 401, 1021: (51*1022.0 - 1001) / 50} {
		if math.Abs(got[step]-want) > 1e-9*want {
			t.Errorf("mean at step %g: %g, want %g", step, got[step], want)
		}
	}
	if !strings.Contains(c.remark(), "51") {
		t.Errorf("remark %q does not say 51", c.remark())
	}
	if c, _ := chartOf(curveOf("a", 1, 0)); !strings.Contains(c.remark(), "lower edge") {
		t.Errorf("remark %q does not say where zeros lie", c.remark())
	}
}

func TestValidationCurves(t *testing.T) {
	r := Run{Model: "MD_LSTM", BestStep: 30}
	for i := range int64(100) {
		r.Log.Append(LogLine{i, 1, 1, math.NaN()})
		if i%10 == 0 {
			r.Valid.Append(ValidLine{i, 0.1 + float64(i), math.NaN(), 0.01 * float64(i), 1})
		}
	}
	r.Valid.Loss[5] = math.NaN()
	charts, files, err := chartFiles([]Run{r})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(files); len(got) != 2 || got[0] != "loss.png" || got[1] != "label_error.png" {
		t.Errorf("files %v, want loss.png and label_error.png", got)
	}
	c := charts[0]
	if len(c.lines) != 2 || c.lines[0].colour != c.lines[1].colour || !c.lines[1].sparse {
		t.Fatalf("lines %+v, want two of one colour", c.lines)
	}
	valid := c.lines[1]
	if len(valid.markers) != 9 || len(valid.mean) != 2 || len(valid.best) != 1 || valid.best[0].x != 30 {
		t.Errorf("%d markers in %d pieces, ring at %v, want 9 in 2 around a gap, and 30", len(valid.markers), len(valid.mean), valid.best)
	}
	if c.legend[0].name != "training" || c.legend[1].name != "validation" {
		t.Errorf("legend %v", c.legend)
	}
	if !strings.Contains(c.remark(), "ring") || !strings.Contains(c.alt(), "ring") {
		t.Errorf("remark %q and alternative text %q do not explain the ring", c.remark(), c.alt())
	}
	if v := charts[1]; v.unit != "per cent" || v.lines[0].markers[9].y != math.Log10(90) {
		t.Errorf("label errors in %s, the last at 10^%g, want 90 per cent", v.unit, v.lines[0].markers[9].y)
	}

	r.BestStep = -1
	if charts, _, err = chartFiles([]Run{r}); err != nil || len(charts[0].lines[1].best) != 0 {
		t.Errorf("a ring without a best step, %v", err)
	}
	long := Run{}
	for i := range int64(5000) {
		long.Valid.Append(ValidLine{i, 1, math.NaN(), math.NaN(), 1})
	}
	if charts, _, err = chartFiles([]Run{long}); err != nil || len(charts[0].lines[1].markers) > maxMarkers+1 {
		t.Errorf("%d markers, %v", len(charts[0].lines[1].markers), err)
	}
}

func TestRunsKeepTheirColourInEveryFigure(t *testing.T) {
	c := fullComparison()
	charts, _, err := chartFiles(c.Runs)
	if err != nil {
		t.Fatal(err)
	}
	styles := map[string]lineStyle{}
	for _, chart := range charts {
		for _, l := range chart.legend {
			if s, known := styles[l.name]; known && s != l.lineStyle {
				t.Errorf("%q has style %v in %q and %v before", l.name, l.lineStyle, chart.title, s)
			}
			styles[l.name] = l.lineStyle
		}
	}
	if len(styles) != len(c.Runs) {
		t.Errorf("the legends name %d runs, want %d", len(styles), len(c.Runs))
	}
	seen := map[lineStyle]bool{}
	for _, s := range styles {
		if seen[s] {
			t.Errorf("two runs have style %v", s)
		}
		seen[s] = true
	}
	if charts[0].faint {
		t.Error("every step of twelve runs is drawn")
	}
}
