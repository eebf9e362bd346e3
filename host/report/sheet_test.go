package report

import (
	"image"
	"image/color"
	"math"
	"strings"
	"testing"

	"mdlstm-gpu/host/palette"
)

func TestTileColours(t *testing.T) {
	ignore, nan := 9, float32(math.NaN())
	grey := func(v uint8) color.RGBA { return color.RGBA{v, v, v, 0xFF} }
	for _, c := range []struct {
		name string
		tile Tile
		want []color.RGBA
	}{
		{"grey", Tile{Rows: 1, Cols: 3, Values: []float32{0, 0.2, 1}}, []color.RGBA{grey(0), grey(51), grey(255)}},
		{"dim grey keeps its scale", Tile{Rows: 1, Cols: 2, Values: []float32{0, 0.2}}, []color.RGBA{grey(0), grey(51)}},
		{"over its own range", Tile{Rows: 3, Cols: 1, Values: []float32{-1, 0, 1}}, []color.RGBA{grey(0), grey(128), grey(255)}},
		{"colours", Tile{Rows: 1, Cols: 2, Channels: 3, Values: []float32{1, 0, 0, 0, 0.2, 1}}, []color.RGBA{{255, 0, 0, 255}, {0, 51, 255, 255}}},
		{"not finite", Tile{Rows: 1, Cols: 2, Values: []float32{nan, 1}}, []color.RGBA{notFinite, grey(255)}},
		{"only one value", Tile{Rows: 1, Cols: 1, Values: []float32{7}}, []color.RGBA{grey(128)}},
		{"classes", Tile{Rows: 1, Cols: 3, Class: []int32{0, 2, 9}, Ignore: &ignore}, []color.RGBA{palette.Class(0), palette.Class(2), palette.Ignored}},
		{"a class below 0", Tile{Rows: 1, Cols: 1, Class: []int32{-1}}, []color.RGBA{palette.Ignored}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.tile.check(); err != nil {
				t.Fatal(err)
			}
			img := c.tile.image(100)
			for i, want := range c.want {
				if got := img.RGBAAt(i%c.tile.Cols, i/c.tile.Cols); got != want {
					t.Errorf("cell %d: %v, want %v", i, got, want)
				}
			}
		})
	}
	large := Tile{Rows: 300, Cols: 100, Values: make([]float32, 30000)}
	if got := large.image(128).Rect.Size(); got != image.Pt(34, 100) {
		t.Errorf("a large tile has %v pixels, want one of 3 cells", got)
	}
}

func TestSheetPNG(t *testing.T) {
	for _, n := range []int{1, 20, 100} {
		s := digits(n)
		data, err := SheetPNG(s)
		if err != nil {
			t.Fatal(err)
		}
		seen := colours(t, data)
		wrong := color.RGBA(wrongMark)
		if got, want := seen[wrong] > 500, n > 3; got != want {
			t.Errorf("%d items: %d pixels mark wrong ones, want some: %v", n, seen[wrong], want)
		}
		if seen[palette.Class(1)] < 1000 {
			t.Errorf("%d items: %d pixels of class 1", n, seen[palette.Class(1)])
		}
		if view := s.view(""); len(view.Items) != min(n, 48) || view.Tiles != 3 || (n > 48) != strings.Contains(view.Note, "the first 48 of 100") {
			t.Errorf("%d items: %d on the page with %d tiles, %q", n, len(view.Items), view.Tiles, view.Note)
		}
	}
}

func TestSheetOfInputsOnly(t *testing.T) {
	s := Sheet{Items: []SheetItem{{Input: Tile{Rows: 2, Cols: 400, Values: make([]float32, 800)}}, {Caption: strings.Repeat("W", 300), Wrong: true, Input: Tile{Rows: 200, Cols: 1, Values: make([]float32, 200)}}}}
	if _, err := SheetPNG(s); err != nil {
		t.Error(err)
	}
	if v := s.view(""); v.Key != nil || v.Note != "2 samples, 1 wrong" || v.Tiles != 1 {
		t.Errorf("key %v, note %q, %d tiles", v.Key, v.Note, v.Tiles)
	}
}

func TestSheetRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*Sheet)
	}{
		{"no items", "no items", func(s *Sheet) { s.Items = nil }},
		{"an empty item", "item 1: no input", func(s *Sheet) { s.Items[1] = SheetItem{} }},
		{"short values", "item 0: input: 28 × 28 cells", func(s *Sheet) { s.Items[0].Input.Values = make([]float32, 5) }},
		{"short classes", "item 1: truth: 28 × 28 cells", func(s *Sheet) { s.Items[1].Truth.Class = make([]int32, 5) }},
		{"two channels", "2 channels", func(s *Sheet) { s.Items[0].Input.Channels = 2 }},
		{"no cells", "0 × 28 cells", func(s *Sheet) { s.Items[0].Input.Rows = 0 }},
		{"cells that overflow", "cells", func(s *Sheet) { s.Items[0].Input.Rows = math.MaxInt }},
		{"both", "both given", func(s *Sheet) { s.Items[0].Truth.Values = make([]float32, 784) }},
	} {
		s := digits(2)
		c.change(&s)
		if _, err := SheetPNG(s); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"Test set"`) {
			t.Errorf("%s: got %v, want an error with %q that names the sheet", c.name, err, c.want)
		}
	}
}
