package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// TestHelp compares all help texts with testdata/help.txt, which -update writes
// anew.
func TestHelp(t *testing.T) {
	all := must(t)
	for _, c := range newApp(streams{}).Commands {
		if c.Name == "help" {
			continue
		}
		help := must(t, c.Name, "--help")
		if got := must(t, "help", c.Name); got != help {
			t.Errorf("help %s differs from %s --help", c.Name, c.Name)
		}
		all += strings.Repeat("=", helpWidth) + "\n" + help
	}
	for line := range strings.Lines(all) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > helpWidth {
			t.Errorf("%d columns, want at most %d: %q", n, helpWidth, line)
		}
		if strings.TrimRight(line, " \t") != line {
			t.Errorf("%q ends in spaces", line)
		}
	}
	path := filepath.Join("testdata", "help.txt")
	if *update {
		if err := os.WriteFile(path, []byte(all), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, path), all); diff != "" {
		t.Errorf("help texts (-want +got); go test ./cmd/... -update accepts them:\n%s", diff)
	}
	for _, help := range []string{must(t, "help"), must(t, "--help"), must(t, "-h"), must(t, "help", "help"), must(t, "help", "--help")} {
		if !strings.HasPrefix(all, help) {
			t.Errorf("got %q, want the program's help", help)
		}
	}
}

// TestEveryFlagHasHelp: what can be given is explained, and in no more than
// one way.
func TestEveryFlagHasHelp(t *testing.T) {
	o := defaultTrain()
	c := compareOptions{defaultTrain()}
	for name, options := range map[string][]option{"train": o.options(), "compare": c.options()} {
		seen := map[string]bool{}
		for _, option := range options {
			_, isSwitch := option.dest.(*bool)
			if option.usage == "" || isSwitch != (option.arg == "") {
				t.Errorf("%s --%s: usage %q, argument %q", name, option.name, option.usage, option.arg)
			}
			if seen[option.name] {
				t.Errorf("%s --%s comes twice", name, option.name)
			}
			seen[option.name] = true
		}
	}
}
