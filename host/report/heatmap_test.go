package report

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"mdlstm-gpu/host/palette"
)

// gridPicture has predictions in [0, 0.5] and truths in [0.2, 1], so a panel on
// a scale of its own shows.
func gridPicture(shape ...int) Picture {
	cells := 1
	for _, n := range shape {
		cells *= n
	}
	r := rand.New(rand.NewPCG(1, uint64(cells)))
	p := Picture{Title: "grid", Shape: shape, Prediction: make([]float32, cells), Truth: make([]float32, cells)}
	for i := range cells {
		p.Prediction[i], p.Truth[i] = 0.5*r.Float32(), 0.2+0.8*r.Float32()
	}
	p.Prediction[0], p.Truth[0] = 0, 0.2
	p.Prediction[cells-1], p.Truth[cells-1] = 0.5, 1
	return p
}

// pixel is the colour in the middle of a cell.
func pixel(img image.Image, g geometry, panel, row, col int) color.RGBA {
	r := g.cell(panel, row, col)
	return color.RGBAModel.Convert(img.At((r.Min.X+r.Max.X)/2, (r.Min.Y+r.Max.Y)/2)).(color.RGBA)
}

// checkPanels compares the middle of every cell of a 2-D picture with the colour
// that its value has between lo and hi, prediction left and truth right.
func checkPanels(img image.Image, g geometry, p Picture, lo, hi float64) error {
	if g.panels[0].Max.X >= g.panels[1].Min.X || !g.panels[0].Union(g.panels[1]).In(img.Bounds()) {
		return fmt.Errorf("panels %v in %v", g.panels, img.Bounds())
	}
	for panel, values := range [][]float32{p.Prediction, p.Truth} {
		for i, v := range values {
			want := scaleColours[int(math.Round(255*(float64(v)-lo)/(hi-lo)))]
			row, col := i/p.Shape[1], i%p.Shape[1]
			if got := pixel(img, g, panel, row, col); got != want {
				return fmt.Errorf("panel %d cell %d, %d (%g): colour %v, want %v", panel, row, col, v, got, want)
			}
		}
	}
	return nil
}

func drawn(t *testing.T, p Picture) (image.Image, geometry) {
	t.Helper()
	data, err := PicturePNG(p)
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHeatmap(p)
	if err != nil {
		t.Fatal(err)
	}
	g := h.layout()
	img := decode(t, data)
	if img.Bounds().Size() != g.size {
		t.Fatalf("image %v, layout %v", img.Bounds().Size(), g.size)
	}
	return img, g
}

func TestPictureColours(t *testing.T) {
	for _, shape := range [][]int{{1, 1}, {2, 2}, {8, 8}, {3, 70}, {90, 2}, {31, 33}, {500, 400}} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			p := gridPicture(shape...)
			lo, hi := 0.0, 1.0
			if shape[0]*shape[1] == 1 {
				lo = 0.5 // one cell: 0.5 and 1
			}
			if shape[0] < 10 && shape[1] < 10 { // cells that a mark fits into
				p.Relevant = []int32{int32(shape[0]*shape[1]) / 2}
			}
			img, g := drawn(t, p)
			if err := checkPanels(img, g, p, lo, hi); err != nil {
				t.Error(err)
			}
			swapped := p
			swapped.Prediction, swapped.Truth = p.Truth, p.Prediction
			if err := checkPanels(img, g, swapped, lo, hi); err == nil {
				t.Error("the checker does not see prediction and truth swapped")
			}
			own := p // both panels show the prediction: its own scale
			own.Truth = p.Prediction
			img, g = drawn(t, own)
			if err := checkPanels(img, g, own, lo, hi); err == nil {
				t.Error("the checker does not see a scale that is not shared")
			}
		})
	}
}

func TestPictureBarHasTheScale(t *testing.T) {
	img, g := drawn(t, gridPicture(8, 8))
	for _, at := range []struct {
		x    int
		want color.RGBA
	}{{g.bar.Min.X, scaleColours[0]}, {g.bar.Max.X - 1, scaleColours[255]}, {(g.bar.Min.X + g.bar.Max.X) / 2, scaleColours[128]}} {
		if got := color.RGBAModel.Convert(img.At(at.x, (g.bar.Min.Y+g.bar.Max.Y)/2)); got != at.want {
			t.Errorf("bar at %d of %d … %d: %v, want %v", at.x, g.bar.Min.X, g.bar.Max.X, got, at.want)
		}
	}
	h, err := newHeatmap(gridPicture(8, 8))
	if err != nil {
		t.Fatal(err)
	}
	if got := labels(h.barTicks()); got != "0 0.2 0.4 0.6 0.8 1" {
		t.Errorf("labels %q", got)
	}
}

func TestPictureMarksTheRelevantCell(t *testing.T) {
	for _, n := range []int{8, 200} {
		p := gridPicture(n, n)
		plain, g := drawn(t, p)
		p.Relevant = []int32{int32(3*n + 5)}
		img, _ := drawn(t, p)
		for panel := range 2 {
			// Nothing outside a few pixels around the cell differs, and its middle keeps its colour.
			near := g.cell(panel, 3, 5).Inset(-8)
			changed := 0
			for y := g.panels[panel].Min.Y; y < g.panels[panel].Max.Y; y++ {
				for x := g.panels[panel].Min.X; x < g.panels[panel].Max.X; x++ {
					if img.At(x, y) == plain.At(x, y) {
						continue
					}
					changed++
					if !image.Pt(x, y).In(near) {
						t.Fatalf("%d × %d: pixel %d, %d is far from the marked cell %v", n, n, x, y, near)
					}
				}
			}
			if changed < 20 {
				t.Errorf("%d × %d, panel %d: %d pixels mark the cell", n, n, panel, changed)
			}
			if pixel(img, g, panel, 3, 5) != pixel(plain, g, panel, 3, 5) {
				t.Errorf("%d × %d, panel %d: the mark hides the cell", n, n, panel)
			}
		}
	}
}

func TestPictureSlices(t *testing.T) {
	for _, c := range []struct {
		name     string
		shape    []int
		relevant []int32
		note     string
		slices   []int // of the leading axes, in the order drawn
		headings string
		marks    int
	}{
		{"1-D", []int{5}, []int32{2}, "", []int{0}, "prediction truth", 1},
		{"2-D", []int{4, 3}, []int32{2, 7}, "", []int{0}, "prediction truth", 2},
		{"3-D", []int{3, 2, 3}, nil, "3 slices", []int{0, 1, 2}, "z = 0 z = 1 z = 2 z = 0 z = 1 z = 2", 0},
		{"3-D, one slice", []int{1, 2, 3}, nil, "1 slice", []int{0}, "z = 0 z = 0", 0},
		{"3-D, many", []int{20, 2, 3}, nil, "8 of 20 slices", []int{0, 3, 5, 8, 11, 14, 16, 19}, "", 0},
		{"3-D, relevant", []int{20, 2, 3}, []int32{4*6 + 5, 7 * 6}, "8 of 20 slices", []int{0, 4, 5, 8, 11, 14, 16, 19}, "", 1},
		{"4-D, middle", []int{2, 5, 2, 2}, nil, "2 slices [z, 2, :, :]", []int{2, 7}, "z = 0 z = 1 z = 0 z = 1", 0},
		{"4-D, relevant", []int{2, 5, 2, 2}, []int32{35}, "2 slices [z, 3, :, :]", []int{3, 8}, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := gridPicture(c.shape...)
			p.Relevant = c.relevant
			h, err := newHeatmap(p)
			if err != nil {
				t.Fatal(err)
			}
			if h.note != c.note || len(h.panels) != 2*len(c.slices) {
				t.Fatalf("%d panels, note %q, want %d and %q", len(h.panels), h.note, 2*len(c.slices), c.note)
			}
			if !strings.Contains(h.details(h.layout()), c.note) {
				t.Errorf("details %q do not name the slices", h.details(h.layout()))
			}
			var headings []string
			marks := 0
			for i, panel := range h.panels {
				headings = append(headings, panel.heading)
				want := p.Prediction
				if i >= len(c.slices) {
					want = p.Truth
				} else {
					marks += len(panel.marks)
				}
				first := c.slices[i%len(c.slices)] * len(panel.value)
				for j, v := range panel.value {
					if v != float64(want[first+j]) {
						t.Fatalf("panel %d: cell %d is not cell %d of the picture", i, j, first+j)
					}
				}
			}
			if got := strings.Join(headings, " "); c.headings != "" && got != c.headings {
				t.Errorf("headings %q, want %q", got, c.headings)
			}
			if marks != c.marks {
				t.Errorf("%d cells marked, want %d", marks, c.marks)
			}
			img, g := drawn(t, p)
			for i, r := range g.panels {
				if !r.In(img.Bounds()) {
					t.Errorf("panel %v in %v", r, img.Bounds())
				}
				for _, other := range g.panels[:i] {
					if r.Overlaps(other) {
						t.Errorf("panels %v and %v overlap", r, other)
					}
				}
			}
			if len(h.panels[0].marks) == 0 {
				want := scaleColour((h.panels[0].value[0] - h.lo) / (h.hi - h.lo))
				if got := pixel(img, g, 0, 0, 0); got != want {
					t.Errorf("the first cell is %v, want %v", got, want)
				}
			}
		})
	}
}

func TestLargeVolumesFitAScreen(t *testing.T) {
	for _, shape := range [][]int{{9, 400, 300}, {3, 900, 20}, {2, 1, 1}} {
		_, g := drawn(t, gridPicture(shape...))
		if g.size.X > 4000 || g.size.Y > 3500 {
			t.Errorf("%v: %v pixels", shape, g.size)
		}
	}
}

func TestVolumesOfClasses(t *testing.T) {
	p := Picture{Shape: []int{3, 1, 2}, Units: 2, Prediction: []float32{1, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0}, Class: []int32{0, 1, 0, 1, 1, 1}}
	img, g := drawn(t, p)
	for panel, want := range [][2]int{{0, 1}, {1, 1}, {0, 0}, {0, 1}, {0, 1}, {1, 1}} {
		for col, class := range want {
			if got := pixel(img, g, panel, 0, col); got != palette.Class(class) {
				t.Errorf("panel %d, cell %d: %v, want class %d", panel, col, got, class)
			}
		}
	}
}

func TestPictureNotFinite(t *testing.T) {
	p := gridPicture(4, 4)
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	p.Prediction[5], p.Prediction[6], p.Truth[9] = nan, inf, nan
	img, g := drawn(t, p)
	for _, at := range [][3]int{{0, 1, 1}, {0, 1, 2}, {1, 2, 1}} {
		if got := pixel(img, g, at[0], at[1], at[2]); got != notFinite {
			t.Errorf("panel, row, column %v: %v, want the colour of NaN", at, got)
		}
	}
	if got := pixel(img, g, 0, 0, 0); got != scaleColours[0] {
		t.Errorf("the least value beside NaN: %v, want %v", got, scaleColours[0])
	}
	for i := range p.Truth {
		p.Prediction[i], p.Truth[i] = nan, inf
	}
	img, g = drawn(t, p)
	if got := pixel(img, g, 1, 3, 3); got != notFinite {
		t.Errorf("nothing finite: %v", got)
	}
	for i := range p.Truth {
		p.Prediction[i], p.Truth[i] = 7, 7
	}
	img, g = drawn(t, p)
	if got := pixel(img, g, 0, 0, 0); got != scaleColours[128] {
		t.Errorf("all equal: %v, want the middle of the scale", got)
	}
}

func TestPictureClasses(t *testing.T) {
	ignore := 255
	p := Picture{
		Shape: []int{1, 5}, Units: 3, Ignore: &ignore,
		Prediction: []float32{1, 0, 0 /**/, 0, 2, 1 /**/, 0, 1, 1 /**/, 0, float32(math.NaN()), 1 /**/, -3, -2, -1},
		Class:      []int32{2, 1, 0, 255, 1},
	}
	img, g := drawn(t, p)
	for col, want := range []color.RGBA{palette.Class(0), palette.Class(1), palette.Class(1), notFinite, palette.Class(2)} {
		if got := pixel(img, g, 0, 0, col); got != want {
			t.Errorf("prediction of cell %d: %v, want %v", col, got, want)
		}
	}
	for col, want := range []color.RGBA{palette.Class(2), palette.Class(1), palette.Class(0), palette.Ignored, palette.Class(1)} {
		if got := pixel(img, g, 1, 0, col); got != want {
			t.Errorf("class of cell %d: %v, want %v", col, got, want)
		}
	}
}

func TestPictureShowsTheFirstUnit(t *testing.T) {
	p := Picture{Shape: []int{1, 2}, Units: 2, Prediction: []float32{0, 9, 1, 9}, Truth: []float32{1, -9, 0, -9}}
	img, g := drawn(t, p)
	if got := pixel(img, g, 0, 0, 1); got != scaleColours[255] {
		t.Errorf("unit 0 of cell 1: %v, want %v", got, scaleColours[255])
	}
}

func TestPictureBeyondTheLargest(t *testing.T) {
	p := gridPicture(3, 3000) // one of 3 is drawn
	img, g := drawn(t, p)
	if g.size.X > 3000 || g.every != 3 {
		t.Errorf("%d pixels wide, one of %d cells drawn", g.size.X, g.every)
	}
	want := scaleColours[int(math.Round(255*float64(p.Truth[300])))]
	if got := pixel(img, g, 1, 0, 300); got != want {
		t.Errorf("cell 300: %v, want %v", got, want)
	}
}

func TestPictureRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Picture)
		want   string
	}{
		{"no axes", func(p *Picture) { p.Shape = nil }, "no axes"},
		{"an empty axis", func(p *Picture) { p.Shape = []int{0, 6} }, "axis 0"},
		{"a negative axis", func(p *Picture) { p.Shape = []int{6, -1} }, "axis 1"},
		{"other shape", func(p *Picture) { p.Shape = []int{2, 2} }, "2 2"},
		{"a shape that overflows", func(p *Picture) { p.Shape = []int{1 << 40, 1 << 40} }, "more cells"},
		{"other units", func(p *Picture) { p.Units = 2 }, "2 units"},
		{"no prediction", func(p *Picture) { p.Prediction = nil }, "prediction"},
		{"no truth", func(p *Picture) { p.Truth = nil }, "truth"},
		{"short truth", func(p *Picture) { p.Truth = p.Truth[:5] }, "truth"},
		{"both truths", func(p *Picture) { p.Class = make([]int32, 6) }, "both"},
		{"short classes", func(p *Picture) { p.Truth, p.Class = nil, make([]int32, 5) }, "5 classes"},
		{"a class beyond the units", func(p *Picture) { p.Truth, p.Class = nil, []int32{0, 0, 0, 1, 0, 0} }, "class 1 at cell 3"},
		{"a relevant cell outside", func(p *Picture) { p.Relevant = []int32{6} }, "relevant cell 6"},
		{"a negative relevant cell", func(p *Picture) { p.Relevant = []int32{-1} }, "relevant cell -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := gridPicture(2, 3)
			c.change(&p)
			_, err := PicturePNG(p)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"grid"`) {
				t.Errorf("got %v, want an error with %q that names the picture", err, c.want)
			}
		})
	}
}

func TestPictureTakesAnyTitle(t *testing.T) {
	for _, title := range []string{"", "\x00\n\t", strings.Repeat("W", 5000), "日本語 🙂", "\xff\xfe"} {
		p := gridPicture(1, 1)
		p.Title = title
		drawn(t, p)
	}
}

func BenchmarkPicture(b *testing.B) {
	for _, n := range []int{8, 1024} {
		b.Run(fmt.Sprintf("size=%dx%d", n, n), func(b *testing.B) {
			p := gridPicture(n, n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := PicturePNG(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
