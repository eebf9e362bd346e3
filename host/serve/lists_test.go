package serve

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestFlatten(t *testing.T) {
	for _, c := range []struct {
		text  string
		shape []int
		x     []float32
		want  string
	}{
		{"[1]", []int{1}, []float32{1}, ""},
		{" [ [1, -2e1] ,\n[3.5,0] ] ", []int{2, 2}, []float32{1, -20, 3.5, 0}, ""},
		{"[[[[[[[[[1]]]]]]]]]", []int{1, 1, 1, 1, 1, 1, 1, 1, 1}, []float32{1}, ""},
		{"1", nil, nil, "a number: want nested lists"},
		{"[]", nil, nil, "an empty list"},
		{"[[1],[]]", nil, nil, "an empty list"},
		{"[[1,2],[3]]", nil, nil, "a list of 1 at depth 1 where the first one has 2"},
		{"[[1],2]", nil, nil, "a number where other places have a list"},
		{"[1,[2]]", nil, nil, "a list where other places have a number"},
		{"[1e39]", nil, nil, "1e39 does not fit a float32"},
		{"[null]", nil, nil, `"null]": want nested lists`},
		{`{"a":1}`, nil, nil, "want nested lists"},
		{`["1"]`, nil, nil, "want nested lists"},
		{strings.Repeat("[", 10) + strings.Repeat("]", 10), nil, nil, "more than 9 deep"},
	} {
		shape, x, err := flatten([]byte(c.text), nil)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want %q in it", c.text, err, c.want)
			}
			continue
		}
		if err != nil || !slices.Equal(shape, c.shape) || !slices.Equal(x, c.x) {
			t.Errorf("%s: %v %v %v, want %v %v", c.text, shape, x, err, c.shape, c.x)
		}
	}
}

func TestAppendLists(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	values := []float32{0, 0.1, -1e-9, 3e12, nan, inf}
	if got, want := string(appendLists(nil, []int{3, 2}, values)), "[[0,0.1],[-1e-09,3e+12],[null,null]]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := string(appendLists(nil, nil, values[1:2])); got != "0.1" {
		t.Errorf("a single value: %s", got)
	}
	if got := string(appendClasses(nil, []int{1, 2}, []int32{3, 0})); got != "[[3,0]]" {
		t.Errorf("classes: %s", got)
	}
	// What is written is read back to the same bits.
	for _, v := range []float32{1.0 / 3, math.MaxFloat32, math.SmallestNonzeroFloat32, -16777217} {
		_, x, err := flatten(appendLists(nil, []int{1}, []float32{v}), nil)
		if err != nil || x[0] != v {
			t.Errorf("%v came back as %v (%v)", v, x, err)
		}
	}
}
