package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/train"
)

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"none", nil, 0},
		{"failure", errors.New("x"), 1},
		{"memory", fmt.Errorf("plan: %w", engine.ErrMemory), 1},
		{"usage", usagef("x"), 2},
		{"wrapped usage", fmt.Errorf("a: %w", usagef("x")), 2},
		{"setting", asUsage(fmt.Errorf("a: %w", &train.SettingError{Flag: "--lr"}), "train"), 2},
		{"interrupted", fmt.Errorf("a: %w", train.ErrInterrupted), 130},
		{"cancelled", fmt.Errorf("a: %w", context.Canceled), 130},
		{"NaN", &train.NonFiniteError{}, 1},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.name, got, c.want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	names := []string{"train", "compare", "LAYER", "checkpoint-every"}
	for typed, want := range map[string]string{
		"tarin": "train", "rain": "train", "trains": "train", "layer": "LAYER", "checkpoint": "checkpoint-every",
		"compre": "compare", "co": "compare", "c": "", "xyz": "", "": "",
	} {
		got := didYouMean(typed, names, "")
		if want != "" {
			want = "; did you mean " + want + "?"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "axc", 1},
		{"steps", "stpes", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1},
	} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestQuote(t *testing.T) {
	for path, want := range map[string]string{
		"runs/a-1.b": "runs/a-1.b", "a b": "'a b'", "": "''", "it's": `'it'\''s'`, "$x": "'$x'", "ä": "'ä'",
	} {
		if got := quote(path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}

func TestDirections(t *testing.T) {
	for _, c := range []struct {
		text string
		axes int
		want string
	}{
		{"1", 3, "+++"}, {"all", 1, "+ -"}, {"all", 2, "++ +- -+ --"}, {"+-,--", 2, "+- --"},
	} {
		got, err := directions("--directions", c.text, c.axes)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%q on %d axes: got %q, %v, want %s", c.text, c.axes, got, err, c.want)
		}
	}
	for _, text := range []string{"", "2", "+", "+++", "++,", "+x", "++ --", "++,++"} {
		if got, err := directions("--directions", text, 2); exitCode(err) != exitUsage {
			t.Errorf("%q: got %q, %v, want a usage error", text, got, err)
		}
	}
}

func TestOneLine(t *testing.T) {
	long := strings.Repeat("a", 5000)
	for _, c := range []struct{ name, text, want string }{
		{"as it is", "load größe – x.npy: \"8x8\"", "load größe – x.npy: \"8x8\""},
		{"lines", "one\ntwo\r\nthree\n", "one; two; three"},
		{"tab", "a\tb", "a b"},
		{"terminal's commands", "no \x1b[31mfile\x00\u009b2J", `no \x1b[31mfile\x00\u009b2J`},
		{"not UTF-8", "a\xff\xfeb", `a\xff\xfeb`},
		{"right to left", "a\u202eb", `a\u202eb`},
	} {
		if got := oneLine(errors.New(c.text)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	got := oneLine(errors.New("begin " + long + " end: do this"))
	if len(got) > 2100 || !strings.HasPrefix(got, "begin aaa") || !strings.HasSuffix(got, "aaa end: do this") || !strings.Contains(got, "a … a") {
		t.Errorf("a long text: got %d bytes, %q", len(got), got)
	}
}
