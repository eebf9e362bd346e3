package task

import (
	"slices"
	"testing"

	"mdlstm-gpu/host/hostile"
)

// FuzzParseText feeds one text to everything here that reads a flag's value. What
// is taken is written and read back to the same; the rest is an error of one line.
func FuzzParseText(f *testing.F) {
	for _, text := range []string{"2", "65537", "bg,road", "bg=0,road=128", "a=1=2,b", ",", "=", "8000/1000/1000", "1/2", "-1/0/0", "2b2d42,e69f00", "2b2d4", "0.1", "1e-3", "3", "-0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var classes Classes
		var err error
		hostile.Allocates(t, 1<<20+48*maxClasses+256*int64(len(text)), func() { classes, err = ParseClasses(text) })
		if err != nil {
			hostile.OneLine(t, err, "")
		} else if again, err := ParseClasses(classes.String()); err != nil || !slices.Equal(again, classes) {
			t.Errorf("classes %v read back as %v (%v)", classes, again, err)
		} else if n := len(classes.numbers()); n != len(classes) || n < 2 || n > maxClasses {
			t.Errorf("%d classes with %d values", len(classes), n)
		}
		counts, err := ParseCounts(text)
		if err != nil {
			hostile.OneLine(t, err, "")
		} else if again, err := ParseCounts(counts.String()); err != nil || again != counts || counts.Train < 0 || counts.Valid < 0 || counts.Test < 0 {
			t.Errorf("counts %v read back as %v (%v)", counts, again, err)
		}
		if colours, err := ParseColours(text); err != nil {
			hostile.OneLine(t, err, "")
		} else if len(text) != 7*len(colours)-1 {
			t.Errorf("%q: %d colours", text, len(colours))
		}
		for _, n := range []int{0, 1, 2, 1000} {
			if part, err := partOf(text, n); err != nil {
				hostile.OneLine(t, err, "--valid ")
			} else if part < 1 || part >= n {
				t.Errorf("%q of %d samples: %d", text, n, part)
			}
		}
	})
}
