package main

import (
	"slices"
	"strings"
	"testing"
)

func TestClassText(t *testing.T) {
	one, last := 1, 255
	sparse := append([]int{5, 4}, make([]int, 254)...)
	sparse[255] = 9
	for _, c := range []struct {
		name   string
		counts []int
		ignore *int
		want   string
	}{
		{"all occur", []int{1, 2, 3}, nil, "0 to 2"},
		{"only the first", []int{4, 0}, nil, "0 to 0"},
		{"one missing", []int{4, 0, 1}, nil, "0 to 2, but 1 never occurs; if 2 marks cells that do not count, give --ignore-index 2"},
		{"the missing one is ignored", []int{4, 0, 1}, &one, "0 to 2, 1 does not count"},
		{"a mark", sparse, nil, "0 to 255, but 253 of them, such as 2, never occur; if 255 marks cells that do not count, give --ignore-index 255"},
		{"a gap beside a mark", []int{4, 0, 1}, &last, "0 to 2, 255 does not count, but 1 never occurs"},
	} {
		if got := classText(c.counts, c.ignore); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestUnderstood: a training and a dry run say what was made of the data.
func TestUnderstood(t *testing.T) {
	t.Chdir(t.TempDir())
	array(t, "x.npy", 3, 4, 5, 2)
	classes := make([]int64, 60)
	classes[7] = 3
	integers(t, "y.npy", classes, 3, 4, 5)
	array(t, "v.npy", 3, 4, 5, 1)
	integers(t, "s.npy", []int64{4, 5, 2, 2, 4, 4}, 3, 2)
	for _, c := range []struct{ name, args, want string }{
		{"generated", "--size 4x6 --channels 3", "data generated samples of 4x6 cells, 3 channels\nhead 1 unit, sigmoid, mse\n"},
		{"values", "--x x.npy --y v.npy", "data 3 samples of 4x5 cells, 2 channels\nhead 1 unit, linear, mse\n"},
		{"sizes and classes", "--x x.npy --y y.npy --sizes s.npy", "data 3 samples of up to 4x5 cells, 2 channels\n" +
			"classes 0 to 3, but 2 of them, such as 1, never occur; if 3 marks cells that do not count, give --ignore-index 3\n" +
			"head 4 units, softmax, cross_entropy\n"},
	} {
		args := append(strings.Fields("train --hidden 2 --steps 1 --device cpu "+c.args), "--out", c.name)
		if said := do(slices.Concat(args, []string{"--dry-run"})...).out; !strings.Contains(spaced(said), c.want) {
			t.Errorf("%s: dry run: got %q, want %q in it", c.name, said, c.want)
		}
		if said := do(args...).err; !strings.Contains(spaced(said), c.want) {
			t.Errorf("%s: got %q, want %q in it", c.name, said, c.want)
		}
	}
}

// spaced has one space where text has several.
func spaced(text string) string {
	for strings.Contains(text, "  ") {
		text = strings.ReplaceAll(text, "  ", " ")
	}
	return text
}
