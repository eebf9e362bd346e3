// Package hostile checks how code bears the input of strangers. It is for tests
// and fuzz targets.
package hostile

import (
	"runtime"
	"strings"
	"testing"
)

// OneLine fails the test unless err is one line of text that begins with prefix.
func OneLine(t testing.TB, err error, prefix string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	if text := err.Error(); text == "" || !strings.HasPrefix(text, prefix) || strings.ContainsAny(text, "\r\n") {
		t.Errorf("got %q, want one line that begins with %q", text, prefix)
	}
}

// Allocates fails the test if run allocates more than most bytes in all, what it
// lets go included. Nothing else may allocate meanwhile, so tests that use it do
// not run in parallel.
func Allocates(t testing.TB, most int64, run func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	if got := int64(after.TotalAlloc - before.TotalAlloc); got > most {
		t.Errorf("allocated %d bytes, want at most %d", got, most)
	}
}
