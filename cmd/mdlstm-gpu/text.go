package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printer writes lines and keeps the first error: results that cannot be
// written are a failure.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, printable(fmt.Sprintf(format, args...)))
	}
}

// note writes progress, a note or a warning, which may be lost.
func (s streams) note(format string, args ...any) {
	fmt.Fprint(s.err, printable(fmt.Sprintf(format, args...)))
}

// printable is a text with what a terminal would obey written out, but for the
// ends of lines: names and values come from files of strangers.
func printable(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		char := text[:size]
		text = text[size:]
		if r == '\n' || unicode.IsPrint(r) && !(r == utf8.RuneError && size == 1) {
			b.WriteString(char)
			continue
		}
		quoted := strconv.Quote(char)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// count is "1 thread", "2 threads".
func count[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// formatBytes writes a size in the unit a person would use.
func formatBytes(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// formatLoss writes a loss with three digits.
func formatLoss(v float64) string { return fmt.Sprintf("%.3g", v) }

// quote makes one word of a path for a POSIX shell.
func quote(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:,@%", r)
	}
	if path != "" && strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// upper is a key as a heading.
func upper(key string) string {
	if key == "blas" {
		return "BLAS"
	}
	return strings.ToUpper(key[:1]) + key[1:]
}

// median of some numbers, NaN without any.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// formatMillis writes seconds as milliseconds, a second and more as seconds.
func formatMillis(seconds float64) string {
	switch {
	case seconds >= 999.5:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds >= 0.9995:
		return fmt.Sprintf("%.3g s", seconds)
	}
	return fmt.Sprintf("%.3g ms", 1000*seconds)
}

// shapeText writes a shape as "[4, 8, 8, 1]".
func shapeText(shape []int) string {
	text := "["
	for i, n := range shape {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprint(n)
	}
	return text + "]"
}
