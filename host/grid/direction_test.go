package grid

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDirection(t *testing.T) {
	tests := []struct {
		signs string
		want  Direction
	}{
		{"", 0},
		{"+", 0},
		{"-", 0b1},
		{"+-", 0b10},
		{"-+", 0b01},
		{"--++-", 0b10011},
		{"--------", 0xff},
	}
	for _, tt := range tests {
		got, err := ParseDirection(tt.signs, len(tt.signs))
		if err != nil || got != tt.want {
			t.Errorf("ParseDirection(%q) = %b, %v, want %b", tt.signs, got, err, tt.want)
		}
		if text := got.Signs(len(tt.signs)); text != tt.signs {
			t.Errorf("%b has the signs %q, want %q", got, text, tt.signs)
		}
	}
}

func TestParseDirectionRefuses(t *testing.T) {
	tests := []struct {
		name, signs string
		axes        int
		want        string
	}{
		{"too few", "+", 2, `got 1 signs, want 2, one per axis, such as "++"`},
		{"too many", "+-+", 2, "got 3 signs, want 2"},
		{"none", "", 1, "got 0 signs, want 1"},
		{"signs for no axes", "+", 0, `got 1 signs, want 0`},
		{"more than bits", strings.Repeat("-", 70), 2, "got 70 signs"},
		{"other letters", "+x", 2, "want only the signs + and -"},
		{"dash", "+–", 2, "want only the signs + and -"},
		{"too many axes", strings.Repeat("+", 9), 9, "got a grid of 9 axes, want 0 to 8"},
		{"negative axes", "", -1, "got a grid of -1 axes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := ParseDirection(tt.signs, tt.axes)
			if d != 0 || !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %b, %v, want an ErrShape with %q", d, err, tt.want)
			}
		})
	}
}

func TestAllDirections(t *testing.T) {
	for axes, want := range [][]string{
		{""},
		{"+", "-"},
		{"++", "+-", "-+", "--"},
		{"+++", "++-", "+-+", "+--", "-++", "-+-", "--+", "---"},
	} {
		var got []string
		for _, d := range AllDirections(axes) {
			got = append(got, d.Signs(axes))
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%d axes: got -, want +:\n%s", axes, diff)
		}
	}
	if got := len(AllDirections(MaxAxes)); got != 256 {
		t.Errorf("%d directions of 8 axes, want 256", got)
	}
	for _, axes := range []int{-1, MaxAxes + 1} {
		if got := AllDirections(axes); got != nil {
			t.Errorf("%d axes: got %v, want none", axes, got)
		}
	}
}

func TestInputByHand(t *testing.T) {
	s := newSchedule(t, twoSamples...)
	for signs, want := range map[string][]int32{
		"++": {0, 1, 2, 3, 4, 5, 6, 7},
		"+-": {2, 6, 0, 5, 4, 3, 1, 7},
		"-+": {3, 1, 5, 0, 4, 2, 6, 7},
		"--": {5, 6, 3, 2, 4, 0, 1, 7},
	} {
		d, err := ParseDirection(signs, 2)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Input(d); !slices.Equal(got, want) {
			t.Errorf("input of %q: %v, want %v", signs, got, want)
		}
	}
}

func TestInputIsKept(t *testing.T) {
	s := newSchedule(t, twoSamples...)
	if &s.Input(0b10)[0] != &s.Input(0b10 | 1<<2)[0] {
		t.Error("bits beyond the axes made another table")
	}
	if n := testing.AllocsPerRun(10, func() { s.Input(0b10) }); n != 0 {
		t.Errorf("%v allocations to find a table, want 0", n)
	}
}

// TestOnDemandTablesConcurrently is for the race detector: all goroutines must
// get the same tables.
func TestOnDemandTablesConcurrently(t *testing.T) {
	s := newSchedule(t, Shape{5, 6}, Shape{4, 7})
	var wg sync.WaitGroup
	inputs, windows, sums := make([]*int32, 16), make([]*WindowMap, 16), make([]*SumMap, 16)
	for i := range inputs {
		wg.Go(func() {
			inputs[i] = &s.Input(Direction(i % 4))[0]
			windows[i], _ = s.Window([]int{1 + i%2, 2})
			sums[i], _ = s.Sum(i % 2)
		})
	}
	wg.Wait()
	for i := range inputs {
		if inputs[i] != inputs[i%4] || windows[i] != windows[i%2] || sums[i] != sums[i%2] {
			t.Errorf("goroutine %d got tables of its own", i)
		}
		if windows[i] == nil || sums[i] == nil {
			t.Errorf("goroutine %d got no map", i)
		}
	}
}

func FuzzParseDirection(f *testing.F) {
	f.Add("+-", 2)
	f.Add("", 0)
	f.Add("+", -3)
	f.Add("--------", 8)
	f.Add(strings.Repeat("-", 40), 40)
	f.Add("+\x00", 2)
	f.Fuzz(func(t *testing.T, signs string, axes int) {
		d, err := ParseDirection(signs, axes)
		if err != nil {
			if !errors.Is(err, ErrShape) || len(err.Error()) > 1000 {
				t.Errorf("unclear error %v", err)
			}
			return
		}
		if got := d.Signs(axes); got != signs {
			t.Errorf("%q on %d axes reads back as %q", signs, axes, got)
		}
		if !slices.Contains(AllDirections(axes), d) {
			t.Errorf("%q is none of the directions of %d axes", signs, axes)
		}
	})
}
