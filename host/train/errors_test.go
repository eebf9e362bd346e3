package train

import (
	"strings"
	"testing"
)

// TestNonFiniteAdvice: a cell that overflows is not cured by a lower rate.
func TestNonFiniteAdvice(t *testing.T) {
	for where, want := range map[string]string{
		"layer 0 cell":                        "--cell stable",
		"layer 1 cell, direction +-":          "--cell stable",
		"layer 0 gate f_1":                    "--lr",
		"gradient of layers.0.ln_cell.weight": "--lr",
		"loss":                                "--lr",
	} {
		if got := (&NonFiniteError{Where: where}).Error(); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want advice on %s", where, got, want)
		}
	}
}
