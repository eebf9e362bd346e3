package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mdlstm-gpu/host/nn"
)

// predictedFile is a file to predict and where its prediction goes.
type predictedFile struct{ in, out, overlay string } // overlay "" = none

// fileKind is a kind of files with a sample each.
type fileKind struct {
	noun   string // "picture"
	ending string // of a prediction's name
	list   func(folder string) ([]string, error)
	// stat finds faults before any work; nil where nothing can be said.
	stat func(path string) error
	// predict writes one prediction. What is wrong with its input is an
	// *inputError.
	predict func(ctx context.Context, p *predictor, f predictedFile) error
}

// inputError is the fault of one file of many, which --skip-bad leaves out.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

// files writes a prediction for each file. One that cannot be predicted ends the
// command, or is skipped; one that cannot be written ends it. Files that were
// written before are whole.
func (j *prediction) files(ctx context.Context, kind fileKind) error {
	list, err := j.listFiles(kind)
	if err != nil {
		return err
	}
	bad := 0
	skip := func(err error) error {
		if errors.Is(err, context.Canceled) {
			return err
		}
		if !j.skipBad && j.folder {
			return fmt.Errorf("%w: --skip-bad leaves it out", err)
		}
		if !j.skipBad {
			return err
		}
		bad++
		j.s.note("skipped: %s\n", oneLine(err))
		return nil
	}
	good := list
	if kind.stat != nil { // headers first: most faults are found before any work
		good = nil
		for _, f := range list {
			err := kind.stat(f.in)
			if err == nil {
				good = append(good, f)
			} else if err := skip(err); err != nil {
				return err
			}
		}
	}
	p, err := j.open()
	if err != nil {
		return err
	}
	defer p.close()
	for _, dir := range j.outFolders() {
		err := os.Mkdir(dir, 0o777)
		if err == nil {
			defer os.Remove(dir) // of a folder with files this does nothing
		} else if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, f := range good {
		err := kind.predict(ctx, p, f)
		var fault *inputError
		if errors.As(err, &fault) {
			err = skip(fault.err)
		}
		if err != nil {
			return err
		}
	}
	done := len(list) - bad
	if done == 0 {
		return fmt.Errorf("%s: no %s could be read", j.in, kind.noun)
	}
	w := &printer{w: j.s.out}
	text := fmt.Sprintf("%s: %s of %s", j.out, count(done, "prediction"), j.in)
	if j.m.Config.Loss == nn.CrossEntropy {
		text += " with " + p.form.String()
	}
	if bad > 0 {
		text += fmt.Sprintf(", %d skipped", bad)
	}
	w.line("%s", text)
	if j.overlay != "" {
		w.line("%s: %s", j.overlay, count(done, "overlay"))
	}
	return w.err
}

// outFolders are the folders to write into.
func (j *prediction) outFolders() (dirs []string) {
	if j.folder {
		dirs = append(dirs, j.out)
	}
	if j.overlay != "" {
		dirs = append(dirs, j.overlay)
	}
	return dirs
}

// listFiles names the files and refuses outputs that must not be written.
func (j *prediction) listFiles(kind fileKind) ([]predictedFile, error) {
	names := []string{filepath.Base(j.in)}
	if j.folder {
		var err error
		if names, err = kind.list(j.in); err != nil {
			return nil, err
		}
	}
	for flag, dir := range map[string]string{"out": j.out, "overlay": j.overlay} {
		if dir == "" || flag == "out" && !j.folder {
			continue
		}
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return nil, fmt.Errorf("--%s %s: it is a file, want a folder", flag, dir)
		}
		if _, err := os.Stat(filepath.Dir(filepath.Clean(dir))); err != nil {
			return nil, fmt.Errorf("--%s %s: its folder: %w", flag, dir, err)
		}
	}
	taken := map[string]string{} // by whom
	var list []predictedFile
	for _, name := range names {
		predicted := strings.TrimSuffix(name, filepath.Ext(name)) + kind.ending
		p := predictedFile{in: j.in, out: j.out}
		if j.folder {
			p.in, p.out = filepath.Join(j.in, name), filepath.Join(j.out, predicted)
		}
		targets := []string{p.out}
		if j.overlay != "" {
			p.overlay = filepath.Join(j.overlay, predicted)
			targets = append(targets, p.overlay)
		}
		for _, target := range targets {
			if err := checkOut(target, j.overwrite); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			if sameFile(target, p.in) {
				return nil, fmt.Errorf("--out %s: it is the %s itself: choose another name", target, kind.noun)
			}
			if other := taken[filepath.Clean(target)]; other != "" {
				return nil, fmt.Errorf("%s and %s would both be written to %s: rename one, or choose another folder", other, p.in, target)
			}
			taken[filepath.Clean(target)] = p.in
		}
		list = append(list, p)
	}
	if !j.folder {
		return list, checkOut(j.out, j.overwrite)
	}
	return list, nil
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
