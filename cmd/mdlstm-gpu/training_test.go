package main

import "testing"

func TestWaitedText(t *testing.T) {
	for _, test := range []struct {
		waited, stepping float64
		want             string
	}{
		{0, 0, ""}, // a finished run that was resumed
		{0, 2, ", waited for data 0.0 % of the time"},
		{0.5, 2, ", waited for data 25.0 % of the time"},
		{0.003, 1, ", waited for data 0.3 % of the time"},
	} {
		if got := (&training{waited: test.waited, stepping: test.stepping}).waitedText(); got != test.want {
			t.Errorf("%v of %v s: got %q, want %q", test.waited, test.stepping, got, test.want)
		}
	}
}
