package report

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// fronts are the wavefronts of the shown cells, as the page's script places them.
func fronts(w *wave, direction int) (list []int) {
	d := w.Directions[direction]
	for r := range w.Rows {
		for c := range w.Cols {
			list = append(list, d.Offset+d.Row*r+d.Col*c)
		}
	}
	return list
}

func TestWavefronts(t *testing.T) {
	for _, c := range []struct {
		shape []int
		signs string
		want  []int
	}{
		{[]int{2, 3}, "++", []int{0, 1, 2, 1, 2, 3}},
		{[]int{2, 3}, "+-", []int{2, 1, 0, 3, 2, 1}},
		{[]int{2, 3}, "-+", []int{1, 2, 3, 0, 1, 2}},
		{[]int{2, 3}, "--", []int{3, 2, 1, 2, 1, 0}},
		{[]int{4}, "-", []int{3, 2, 1, 0}},
		{[]int{5, 2, 2}, "+++", []int{2, 3, 3, 4}}, // slice 2
		{[]int{6, 2, 2}, "-++", []int{2, 3, 3, 4}}, // slice 3 of 6, from the end
	} {
		t.Run(fmt.Sprint(c.shape, c.signs), func(t *testing.T) {
			cells := 1
			for _, n := range c.shape {
				cells *= n
			}
			w, err := newWave(Activity{Shape: c.shape, Directions: []ActivityDirection{{c.signs, make([]float32, cells)}}})
			if err != nil {
				t.Fatal(err)
			}
			if got := fronts(w, 0); !slices.Equal(got, c.want) {
				t.Errorf("wavefronts %v, want %v", got, c.want)
			}
		})
	}
}

func TestWaveHoldsTheActivity(t *testing.T) {
	nan := float32(math.NaN())
	a := Activity{Shape: []int{1, 3}, Units: []int{1}, Directions: []ActivityDirection{
		{"++", []float32{1, -1, 0, 0.5, 0, 0}}, // cells × 2 units
		{"--", []float32{0, -2, 0, 0, nan, 1}},
	}}
	w, err := newWave(a)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"mean |h| of all units", "h of unit 1"}; !slices.Equal(w.Maps, want) {
		t.Errorf("maps %q, want %q", w.Maps, want)
	}
	if w.Ranges != nil && (w.Ranges[0] != [2]string{"0", "1.00"} || w.Ranges[1] != [2]string{"-2.00", "1.00"}) {
		t.Errorf("ranges %v", w.Ranges)
	}
	for _, c := range []struct {
		direction, shown int
		want             []byte
	}{
		{0, 0, []byte{254, 64, 0}}, {1, 0, []byte{254, 0, 255}}, {0, 1, []byte{85, 212, 169}}, {1, 1, []byte{0, 169, 254}},
	} {
		got, err := base64.StdEncoding.DecodeString(w.Directions[c.direction].Values[c.shown])
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("direction %d, map %d: %v, %v, want %v", c.direction, c.shown, got, err, c.want)
		}
	}
}

func TestWaveIsSmall(t *testing.T) {
	a := waves(70, 100, "++", "--")
	w, err := newWave(a)
	if err != nil {
		t.Fatal(err)
	}
	if w.Rows != 64 || w.Cols != 64 || w.note != "the first 64 × 64 of 70 × 100 cells" {
		t.Errorf("%d × %d cells, %q", w.Rows, w.Cols, w.note)
	}
	if len(w.Maps) != 1+maxActivityUnits {
		t.Errorf("%d maps, want the mean and %d units", len(w.Maps), maxActivityUnits)
	}
	list := fronts(w, 1)
	if lo, hi := slices.Min(list), slices.Max(list); lo != 69-63+99-63 || hi != 69+99 {
		t.Errorf("wavefronts %d … %d from the far corner", lo, hi)
	}
	text, err := w.json()
	if err != nil || !json.Valid([]byte(text)) || len(text) > 100_000 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

func TestWaveOfManyDirections(t *testing.T) {
	a := Activity{Shape: []int{1, 1}}
	for range 40 {
		a.Directions = append(a.Directions, ActivityDirection{"++", []float32{1}})
	}
	w, err := newWave(a)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Directions) != 16 || !strings.Contains(w.note, "the first 16 of 40 directions") {
		t.Errorf("%d directions, %q", len(w.Directions), w.note)
	}
	if _, err := w.png("many"); err != nil {
		t.Error(err)
	}
}

func TestLiveliestUnits(t *testing.T) {
	a := Activity{Shape: []int{2}, Directions: []ActivityDirection{{"+", make([]float32, 2*9)}}}
	for _, unit := range []int{8, 2, 5} {
		a.Directions[0].H[unit] = float32(unit)
	}
	if got, want := a.liveliest(9), []int{0, 1, 2, 3, 5, 8}; !slices.Equal(got, want) {
		t.Errorf("units %v, want %v", got, want)
	}
}

func TestActivityRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*Activity)
	}{
		{"no axes", "0 axes", func(a *Activity) { a.Shape = nil }},
		{"no directions", "0 directions", func(a *Activity) { a.Directions = nil }},
		{"an empty axis", "axis 1 has 0", func(a *Activity) { a.Shape = []int{3, 0} }},
		{"cells that overflow", "axis 0", func(a *Activity) { a.Shape = []int{1 << 40, 1 << 40} }},
		{"a sign less", `"+" has 1 signs, want 2`, func(a *Activity) { a.Directions[1].Signs = "+" }},
		{"another sign", `"+x"`, func(a *Activity) { a.Directions[1].Signs = "+x" }},
		{"no values", "0 values", func(a *Activity) { a.Directions[0].H = nil }},
		{"other units", "the same", func(a *Activity) { a.Directions[1].H = a.Directions[1].H[:12] }},
		{"a unit beyond", "unit 8, want 0 … 7", func(a *Activity) { a.Units = []int{8} }},
		{"a short input", "input: 3 × 4", func(a *Activity) { a.Input.Values = make([]float32, 3) }},
	} {
		a := waves(3, 4, "++", "--")
		a.Title = "name"
		c.change(&a)
		if _, err := newWave(a); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"name"`) {
			t.Errorf("%s: got %v, want an error with %q that names it", c.name, err, c.want)
		}
	}
}

func TestActivityOnThePage(t *testing.T) {
	nan := float32(math.NaN())
	for _, a := range []Activity{
		waves(12, 16, "++", "+-", "-+", "--"),
		{Shape: []int{5}, Directions: []ActivityDirection{{"+", make([]float32, 5)}}},
		{Shape: []int{2, 3, 4}, Directions: []ActivityDirection{{"+-+", make([]float32, 48)}}},
		{Shape: []int{1, 2}, Directions: []ActivityDirection{{"++", []float32{nan, nan}}}},
	} {
		r := Run{Activity: &a}
		files, err := r.files()
		if err != nil {
			t.Fatal(err)
		}
		html := fileNamed(t, files, "report.html")
		if err := checkPage(html); err != nil {
			t.Error(err)
		}
		if n := strings.Count(string(html), "data-wavefronts="); n != 1 || strings.Count(string(html), "<script>") != 1 {
			t.Errorf("%d wavefronts", n)
		}
		last := fileNamed(t, files, "activity.png") // what is seen where no script runs
		decode(t, last)
		if !strings.Contains(strings.ReplaceAll(string(html), "&#43;", "+"), `<img class="picture" src="data:image/png;base64,`+base64.StdEncoding.EncodeToString(last)) {
			t.Error("the last state is not on the page as a picture")
		}
	}
	files, err := sampleRun(3).files()
	if err != nil {
		t.Fatal(err)
	}
	if html := string(fileNamed(t, files, "report.html")); strings.Contains(html, "script") {
		t.Error("a page without wavefronts has a script, or allows one")
	}
}
