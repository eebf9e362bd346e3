package grid

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestShape(t *testing.T) {
	tests := []struct {
		shape Shape
		text  string
		cells int
	}{
		{nil, "1 cell", 1},
		{Shape{}, "1 cell", 1},
		{Shape{1}, "1", 1},
		{Shape{8, 8}, "8x8", 64},
		{Shape{4, 1, 5}, "4x1x5", 20},
		{Shape{3, 0}, "3x0", 0},
		{Shape{-3, -3}, "-3x-3", 0},
		{Shape{math.MaxInt, 0}, "", 0},
		{Shape{math.MaxInt, 2}, "", math.MaxInt},
		{Shape{1 << 30, 1 << 30, 1 << 30, 1 << 30}, "", math.MaxInt},
	}
	for _, tt := range tests {
		if got := tt.shape.Cells(); got != tt.cells {
			t.Errorf("%v: %d cells, want %d", tt.shape, got, tt.cells)
		}
		if got := tt.shape.String(); tt.text != "" && got != tt.text {
			t.Errorf("text %q, want %q", got, tt.text)
		}
	}
}

func TestShapeEqual(t *testing.T) {
	tests := []struct {
		a, b Shape
		want bool
	}{
		{nil, Shape{}, true},
		{Shape{2, 3}, Shape{2, 3}, true},
		{Shape{2, 3}, Shape{3, 2}, false},
		{Shape{2}, Shape{2, 1}, false},
	}
	for _, tt := range tests {
		if got := tt.a.Equal(tt.b); got != tt.want {
			t.Errorf("%v equal to %v: %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestParseShape(t *testing.T) {
	for text, want := range map[string]Shape{
		"12":              {12},
		"8x8":             {8, 8},
		"32x256":          {32, 256},
		"4x4x4":           {4, 4, 4},
		"1x1x1x1x1x1x1x2": {1, 1, 1, 1, 1, 1, 1, 2},
		"2147483646":      {MaxRows},
	} {
		if got, err := ParseShape(text); err != nil || !got.Equal(want) {
			t.Errorf("ParseShape(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestParseShapeRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", `axis 0 is ""`},
		{"no size", "8x", `axis 1 is ""`},
		{"two x", "8xx8", "write one size per axis joined by x"},
		{"zero", "8x0", `axis 1 is "0"`},
		{"minus", "-8x8", `axis 0 is "-8"`},
		{"plus", "+8x8", `axis 0 is "+8"`},
		{"fraction", "8x8.5", "want a whole number"},
		{"comma", "8,8", "such as 8x8"},
		{"capital", "8X8", "joined by x"},
		{"space", "8 x 8", `axis 0 is "8 "`},
		{"hexadecimal", "0x10", `axis 0 is "0"`},
		{"beyond 64 bits", "99999999999999999999", "from 1 to 2147483646"},
		{"one cell too many", "2147483647", "more than 2147483646 cells"},
		{"product too large", "65536x65536", "write smaller sizes"},
		{"nine axes", "1x1x1x1x1x1x1x1x1", "got 9 axes, want at most 8"},
		{"no axes", Shape{}.String(), "such as 8x8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseShape(tt.text)
			if s != nil || !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an ErrShape with %q", s, err, tt.want)
			}
		})
	}
}

func FuzzParseShape(f *testing.F) {
	for _, text := range []string{"", "8x8", "32x256", "0x0", "x", "08x8", "4x4x4x4", "1x-1", "65536x65536", "8×8"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseShape(text)
		if err != nil {
			if !errors.Is(err, ErrShape) || len(err.Error()) > 1000 {
				t.Errorf("unclear error %v", err)
			}
			return
		}
		if rows, err := countRows([]Shape{s}); err != nil || rows != s.Cells() {
			t.Errorf("%q: %v makes no schedule: %d rows, %v", text, s, rows, err)
		}
		if again, err := ParseShape(s.String()); err != nil || !again.Equal(s) {
			t.Errorf("%q: %v reads back as %v, %v", text, s, again, err)
		}
	})
}
