package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVariants: the same number of pixels in equal sizes, but for 2 %, and what
// padding adds.
func TestVariants(t *testing.T) {
	for name, list := range map[string][]size{
		"sides": sides(256), "words": words("to be, or not to be: that is the question", 9),
	} {
		same, large := equal(list), padded(list)
		if got, want := float64(pixels(same)), float64(pixels(list)); got < 0.98*want || got > 1.02*want || same[0] != same[len(list)-1] {
			t.Errorf("%s: %v pixels in equal sizes %v, want %v", name, got, same[0], want)
		}
		for _, s := range list {
			if s[0] > large[0][0] || s[1] > large[0][1] || s[0] < 16 || s[1] < 8 {
				t.Errorf("%s: size %v, the largest is %v", name, s, large[0])
			}
		}
	}
	if got := words("to be, or", 2); len(got) != 2 || got[1] != (size{16, 24}) {
		t.Errorf("got %v", got)
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("to be or not"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{text, dir}); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(filepath.Join(dir, "sizes.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"words\tunequal\t4\t1152\t16x24\n", "words\tpadded\t4\t1536\t16x24\n", "sides\tequal\t256\t"} {
		if !strings.Contains(string(table), want) {
			t.Errorf("no %q in %q", want, table)
		}
	}
	for _, kind := range []string{"images", "masks"} {
		names, err := filepath.Glob(filepath.Join(dir, "words", "equal", kind, "*.png"))
		if err != nil || len(names) != 4 {
			t.Errorf("%d %s (%v), want 4", len(names), kind, err)
		}
	}
	if err := run(nil); err == nil {
		t.Error("no arguments are no error")
	}
}
