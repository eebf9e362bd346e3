package report

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"strings"
	"testing"

	"mdlstm-gpu/host/palette"
)

// colours are how many pixels an image has of each colour.
func colours(t *testing.T, data []byte) map[color.RGBA]int {
	t.Helper()
	decoded := decode(t, data)
	img := image.NewRGBA(decoded.Bounds())
	draw.Draw(img, img.Rect, decoded, image.Point{}, draw.Src)
	count := map[color.RGBA]int{}
	last, run := color.RGBA{}, 0 // colours come in runs
	for i := 0; i < len(img.Pix); i += 4 {
		if c := (color.RGBA{img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3]}); c != last {
			count[last] += run
			last, run = c, 0
		}
		run++
	}
	count[last] += run
	return count
}

func TestConfusionPNG(t *testing.T) {
	for _, c := range []struct {
		name    string
		classes []string
		counts  [][]int64
		want    map[color.RGBA]bool // whether large areas have the colour
	}{
		{"all right", []string{"a", "b"}, [][]int64{{5, 0}, {0, 7}}, map[color.RGBA]bool{confusionColour(1, true): true, confusionColour(1, false): false}},
		{"all wrong", []string{"a", "b"}, [][]int64{{0, 5}, {7, 0}}, map[color.RGBA]bool{confusionColour(1, true): false, confusionColour(1, false): true}},
		{"a quarter wrong", []string{"a", "b"}, [][]int64{{3, 1}, {0, 4}}, map[color.RGBA]bool{confusionColour(0.75, true): true, confusionColour(0.25, false): true}},
		{"a class without samples", []string{"a", "b"}, [][]int64{{3, 1}, {0, 0}}, map[color.RGBA]bool{palette.Ignored: true}},
		{"nothing", []string{"a"}, [][]int64{{0}}, map[color.RGBA]bool{palette.Ignored: true}},
		{"more than fit", []string{"a", "b"}, [][]int64{{math.MaxInt64, math.MaxInt64}, {0, 1}}, map[color.RGBA]bool{confusionColour(0.5, false): true}},
		{"long names", []string{strings.Repeat("W", 500), "\x00\n"}, [][]int64{{1, 0}, {0, 1}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			data, err := ConfusionPNG(Confusion{Classes: c.classes, Counts: c.counts})
			if err != nil {
				t.Fatal(err)
			}
			seen := colours(t, data)
			for colour, want := range c.want {
				if got := seen[colour] > 3000; got != want {
					t.Errorf("%d pixels of %v, want many: %v", seen[colour], colour, want)
				}
			}
		})
	}
}

func TestConfusionOfManyClasses(t *testing.T) {
	for _, n := range []int{20, 21, 300} {
		c := confusionOf(n)
		data, err := ConfusionPNG(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, data).Bounds().Size(); got.X > 1800 || got.Y > 1800 {
			t.Errorf("%d classes: %v pixels", n, got)
		}
		v := c.view("", "run", data)
		if (n > 20) != (v.Rows == nil) || (n > 20) != (len(v.Mistakes) > 0) || (n > 20) != (v.Src != "") {
			t.Errorf("%d classes: %d rows, %d mistakes", n, len(v.Rows), len(v.Mistakes))
		}
	}
	most := Confusion{Classes: []string{"a", "b", "c"}, Counts: [][]int64{{1, 5, 0}, {9, 1, 1}, {0, 5, 0}}}.mistakes(3)
	want := []mistake{{1, 0, 9, 9. / 11}, {0, 1, 5, 5. / 6}, {2, 1, 5, 1}}
	for i := range want {
		if most[i] != want[i] {
			t.Errorf("mistake %d: %v, want %v", i, most[i], want[i])
		}
	}
}

func TestConfusionTable(t *testing.T) {
	r := Run{Confusion: &Confusion{Title: "Test", Unit: "pixels", Classes: []string{"sky", "sea", "land"}, Counts: [][]int64{{1998, 1, 1}, {500, 1500, 0}, {0, 0, 0}}}}
	files, err := r.files()
	if err != nil {
		t.Fatal(err)
	}
	html := string(fileNamed(t, files, "report.html"))
	for _, want := range []string{
		`<th scope="row">sea</th><td style="--t: 0.500">25<small>500</small></td><td class="right" style="--t: 0.866">75<small>1,500</small></td><td class="zero" style="--t: 0.000">0</td><td class="sum">2,000</td>`,
		`<td class="right" style="--t: 0.999">99.9<small>1,998</small></td><td style="--t: 0.022">&lt;0.1<small>1</small></td>`,
		`<th scope="row">land</th><td class="none">–</td>`,
		`<th scope="col">land</th>`, "Test: 4,000 pixels, 87.5 % right",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if err := checkPage([]byte(html)); err != nil {
		t.Error(err)
	}
}

func TestConfusionRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		confusion  Confusion
	}{
		{"no classes", "0 classes", Confusion{}},
		{"too many", "3000 classes", Confusion{Classes: make([]string, 3000)}},
		{"a row less", "1 rows", Confusion{Classes: []string{"a", "b"}, Counts: [][]int64{{1, 2}}}},
		{"a short row", "row 1 has 1", Confusion{Classes: []string{"a", "b"}, Counts: [][]int64{{1, 2}, {1}}}},
		{"negative", "count -1 of class 0 as 1", Confusion{Classes: []string{"a", "b"}, Counts: [][]int64{{1, -1}, {1, 1}}}},
	} {
		c.confusion.Title = "name"
		if _, err := ConfusionPNG(c.confusion); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"name"`) {
			t.Errorf("%s: got %v, want an error with %q that names it", c.name, err, c.want)
		}
	}
}

func TestFormatShare(t *testing.T) {
	for _, c := range []struct {
		share        float64
		short, whole string
	}{
		{0, "0", "0.0 %"}, {1, "100", "100.0 %"}, {0.5, "50", "50.0 %"}, {0.0123, "1.2", "1.23 %"}, {1e-6, "<0.1", "<0.01 %"},
		{0.9996, ">99.9", "99.96 %"}, {0.999999, ">99.9", ">99.99 %"}, {0.0994, "9.9", "9.94 %"}, {0.0996, "10", "9.96 %"}, {0.994, "99.4", "99.4 %"},
	} {
		if got := shortShare(c.share); got != c.short {
			t.Errorf("shortShare(%g) = %q, want %q", c.share, got, c.short)
		}
		if got := formatShare(c.share); got != c.whole {
			t.Errorf("formatShare(%g) = %q, want %q", c.share, got, c.whole)
		}
	}
	if got := formatShare(math.NaN()); got != "unknown" {
		t.Errorf("NaN: %q", got)
	}
}
