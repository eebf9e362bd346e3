package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mdlstm-gpu/host/train"
)

// Exit codes. They are a contract with scripts.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// usageError is a command line that makes no sense.
type usageError struct {
	err     error
	command string // whose help says more, "train"; "" for the program's
}

func (e *usageError) Error() string {
	line := program
	if e.command != "" {
		line += " " + e.command
	}
	return fmt.Sprintf("%v (see %s --help)", e.err, line)
}

func (e *usageError) Unwrap() error { return e.err }

// usagef makes a usage error; [command] fills in the command.
func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// asUsage names the command in a usage error; settings that cannot be used are
// usage errors too. Other errors stay as they are.
func asUsage(err error, command string) error {
	var setting *train.SettingError
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return &usageError{err: usage.err, command: command}
	case errors.As(err, &setting):
		return &usageError{err: err, command: command}
	}
	return err
}

// exitCode is what a shell sees of an error.
func exitCode(err error) int {
	var usage *usageError
	var quiet *quietError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &quiet):
		return quiet.code
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, train.ErrInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// An error's line has at most about mostLine bytes, the last of which are the
// text's own: what to do stands there.
const (
	mostLine = 2000
	lastLine = 500
)

// oneLine is the error's printable text without line breaks.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	text := printable(strings.ReplaceAll(strings.Join(lines, "; "), "\t", " "))
	if len(text) <= mostLine {
		return text
	}
	first := strings.ToValidUTF8(text[:mostLine-lastLine], "")
	return first + " … " + strings.ToValidUTF8(text[len(text)-lastLine:], "")
}

// oneOf refuses a value that is not allowed, and guesses what was meant.
func oneOf(flag, value string, allowed []string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return usagef("--%s %.40q: want %s%s", flag, value, strings.Join(allowed, ", "), didYouMean(value, allowed, ""))
}

// longestGuess is the longest word, in bytes, that is taken for a mistyped name.
const longestGuess = 64

// didYouMean is "; did you mean X?" with the nearest of some names behind the
// prefix, or nothing when none is near. The beginning of a name is near.
func didYouMean(typed string, names []string, prefix string) string {
	if len(typed) > longestGuess {
		return ""
	}
	best, nearest := "", 1+max(1, len(typed)/3)
	typed = strings.ToLower(typed)
	for _, name := range names {
		d := editDistance(typed, strings.ToLower(name))
		if len(typed) > 1 && strings.HasPrefix(strings.ToLower(name), typed) {
			d = 1
		}
		if d < nearest {
			best, nearest = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s%s?", prefix, best)
}

// editDistance counts the letters to insert, delete, replace or swap with their
// neighbour that make b of a.
func editDistance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			replace := last[j]
			if a[i] != b[j] {
				replace++
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, replace)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
