package main

import (
	"bufio"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const runs = "cell\tseed\ta\tb\n" +
	"x\t1\t0.5\t2\n" +
	"y\t1\tnan\tnan\n" +
	"x\t2\t0.25\t4\n"

func TestRead(t *testing.T) {
	got, err := read(bufio.NewScanner(strings.NewReader(runs)), options{x: "cell", y: "a,b"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"x", "y"}; !slices.Equal(got.groups, want) {
		t.Errorf("groups %v, want %v", got.groups, want)
	}
	if got := got.values[[2]string{"x", "a"}]; !slices.Equal(got, []float64{0.5, 0.25}) {
		t.Errorf("x a: %v, want 0.5 0.25", got)
	}
	if got := got.values[[2]string{"y", "b"}]; got != nil {
		t.Errorf("y b: %v, want nothing: that run stopped", got)
	}
	by, err := read(bufio.NewScanner(strings.NewReader(runs)), options{x: "cell", y: "a", by: "seed"})
	if err != nil || !slices.Equal(by.series, []string{"1", "2"}) {
		t.Errorf("by seed: series %v, error %v, want 1 2", by.series, err)
	}
	names, err := read(bufio.NewScanner(strings.NewReader(runs)), options{x: "cell,seed", y: "a"})
	if want := []string{"x 1", "y 1", "x 2"}; err != nil || !slices.Equal(names.groups, want) {
		t.Errorf("cell and seed: groups %v, error %v, want %v", names.groups, err, want)
	}
	by, err = read(bufio.NewScanner(strings.NewReader(runs)), options{x: "cell", y: "a", by: "cell,seed"})
	if want := []string{"x 1", "y 1", "x 2"}; err != nil || !slices.Equal(by.series, want) {
		t.Errorf("by cell and seed: series %v, error %v, want %v", by.series, err, want)
	}
}

func TestRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		o    options
		want string
	}{
		"no header":      {"", options{x: "cell", y: "a"}, "header"},
		"unknown column": {runs, options{x: "cell", y: "c"}, `no column "c"`},
		"unknown series": {runs, options{x: "cell", y: "a", by: "seed,d"}, `no column "d"`},
		"short line":     {"cell\ta\nx\n", options{x: "cell", y: "a"}, "line 2: 1 fields, want 2"},
		"no number":      {"cell\ta\nx\tmuch\n", options{x: "cell", y: "a"}, `column a is "much"`},
	} {
		_, err := read(bufio.NewScanner(strings.NewReader(c.text)), c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
	}
	many := table{series: slices.Repeat([]string{"x"}, len(styles)+1)}
	if _, err := many.plot(options{}); err == nil || !strings.Contains(err.Error(), "9 series, want at most 8") {
		t.Errorf("more series than styles: error %v", err)
	}
	in := filepath.Join(t.TempDir(), "in.tsv")
	if err := os.WriteFile(in, []byte("cell\ta\nx\t0\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := run(options{x: "cell", y: "a", log: true}, []string{in, in + ".png"}); err == nil || !strings.Contains(err.Error(), "positive") {
		t.Errorf("zero on a logarithmic axis: error %v", err)
	}
}

// TestStyles: no two series look alike; package palette tests its first eleven
// colours for any eye.
func TestStyles(t *testing.T) {
	for i, style := range styles {
		if style.class > 10 {
			t.Errorf("series %d has the colour of class %d, want one of the first eleven", i, style.class)
		}
		for j, other := range styles[:i] {
			if style.class == other.class || style.shape == other.shape {
				t.Errorf("series %d and %d have a colour or a shape together", j, i)
			}
		}
	}
}

// TestDecades: both ends of a logarithmic axis have a label.
func TestDecades(t *testing.T) {
	ticks := decades(-1, 1)
	var labels []string
	for _, tick := range ticks {
		if !tick.IsMinor() {
			labels = append(labels, tick.Label)
		}
	}
	if want := []string{"0.1", "1", "10"}; !slices.Equal(labels, want) || len(ticks) != 3+2*8 {
		t.Errorf("labels %q of %d ticks, want %q of 19", labels, len(ticks), want)
	}
}

func TestDraws(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.tsv"), filepath.Join(dir, "out.png")
	if err := os.WriteFile(in, []byte(runs), 0o666); err != nil {
		t.Fatal(err)
	}
	height := 0
	for _, o := range []options{{}, {log: true}, {panels: true}} {
		o.x, o.y = "cell", "a,b"
		if err := run(o, []string{in, out}); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.DecodeConfig(f)
		f.Close()
		if err != nil || picture.Width < 200 {
			t.Errorf("%+v: %+v, %v", o, picture, err)
		}
		if o.panels && picture.Height != 2*height {
			t.Errorf("panels: %d pixels high, want twice %d", picture.Height, height)
		}
		height = picture.Height
	}
}
