package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/nn"
)

// pictureFile is a file to predict and where its prediction goes.
type pictureFile struct{ in, out, overlay string } // overlay "" = none

// pictures writes a PNG for each picture. One that cannot be predicted ends
// the command, or is skipped; one that cannot be written ends it. Files that were
// written before are whole.
func (j *prediction) pictures(ctx context.Context) error {
	if err := predictsPictures(j.m); err != nil {
		return fmt.Errorf("--model %s: %w", j.model, err)
	}
	if j.overlay != "" && j.m.Config.Loss != nn.CrossEntropy {
		return usagef("--overlay %s: --model %s puts out no classes to lay over a picture: leave --overlay out", j.overlay, j.model)
	}
	if err := j.tiles.fits(2, "a picture"); err != nil {
		return err
	}
	list, err := j.listPictures()
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
		fmt.Fprintf(j.s.err, "skipped: %v\n", err)
		return nil
	}
	var good []pictureFile
	for _, p := range list { // headers first: most faults are found before any work
		_, err := imagefile.Stat(p.in, imagefile.Limits{})
		if err == nil {
			good = append(good, p)
		} else if err := skip(err); err != nil {
			return err
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
	for _, file := range good {
		img, out, err := p.picture(ctx, file.in)
		if err == nil {
			err = p.store(file, img, out)
		} else {
			err = skip(err)
		}
		if err != nil {
			return err
		}
	}
	done := len(list) - bad
	if done == 0 {
		return fmt.Errorf("%s: no picture could be read", j.in)
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

// predictsPictures refuses models whose inputs or outputs are no pictures.
func predictsPictures(m *nn.Model) error {
	const advice = "give the pictures as a .npy file"
	classes := m.Config.Loss == nn.CrossEntropy
	if axes := m.Axes(); axes != nn.AnyAxes && axes != 2 {
		return fmt.Errorf("it takes grids of %d axes, pictures have 2: give an array [samples, grid …, channels] as a .npy file", axes)
	}
	if k := m.Config.Input; k != 1 && k != 3 {
		return fmt.Errorf("it takes %d channels, pictures have 1 (grey) or 3 (RGB): %s", k, advice)
	}
	for i := range m.Stages {
		if s := &m.Stages[i]; s.Type == nn.TypeSum {
			return fmt.Errorf("%s sums over an axis, so its output is no picture: %s", s.Name, advice)
		}
	}
	if n := m.Units(); !classes && n != 1 && n != 3 {
		return fmt.Errorf("it puts out %d values, a picture has 1 (grey) or 3 (RGB): %s", n, advice)
	}
	return nil
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

// listPictures names the files and refuses outputs that must not be written.
func (j *prediction) listPictures() ([]pictureFile, error) {
	names := []string{filepath.Base(j.in)}
	if j.folder {
		var err error
		if names, err = imagefile.List(j.in); err != nil {
			return nil, err
		}
	} else if !strings.EqualFold(filepath.Ext(j.out), ".png") {
		return nil, usagef("--out %s: a picture's prediction is a PNG: name it with .png at its end", j.out)
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
	var list []pictureFile
	for _, name := range names {
		png := strings.TrimSuffix(name, filepath.Ext(name)) + ".png"
		p := pictureFile{in: j.in, out: j.out}
		if j.folder {
			p.in, p.out = filepath.Join(j.in, name), filepath.Join(j.out, png)
		}
		targets := []string{p.out}
		if j.overlay != "" {
			p.overlay = filepath.Join(j.overlay, png)
			targets = append(targets, p.overlay)
		}
		for _, target := range targets {
			if err := checkOut(target, j.overwrite); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			if sameFile(target, p.in) {
				return nil, fmt.Errorf("--out %s: it is the picture itself: choose another name", target)
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

// picture reads and predicts one file.
func (p *predictor) picture(ctx context.Context, path string) (img *imagefile.Image, out []float32, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	m := p.e.Model()
	if img, err = imagefile.Decode(path, m.Config.Input, imagefile.Limits{}); err != nil {
		return nil, nil, err
	}
	size := grid.Shape{img.Height, img.Width}
	result, err := m.OutputShape(size)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	out = make([]float32, product(result)*p.units)
	if p.tiles != nil {
		err = p.tiled(ctx, img.Pix, size, size, out, result)
	} else {
		err = p.run([]grid.Shape{size}, img.Pix, out)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, out, nil
}

// store writes the prediction of a picture.
func (p *predictor) store(file pictureFile, img *imagefile.Image, out []float32) error {
	m := p.e.Model()
	result, err := m.OutputShape(grid.Shape{img.Height, img.Width})
	if err != nil {
		return fmt.Errorf("%s: %w", file.in, err)
	}
	if m.Config.Loss != nn.CrossEntropy {
		return imagefile.Write(file.out, &imagefile.Image{Height: result[0], Width: result[1], Channels: p.units, Pix: out, Bits: img.Bits})
	}
	numbers, err := largestClasses(out, result, p.units)
	if err != nil {
		return fmt.Errorf("%s: %w", file.in, err)
	}
	mask := &imagefile.Mask{Height: result[0], Width: result[1], Values: p.form.values(numbers), Palette: p.form.palette}
	if err := imagefile.WriteMask(file.out, mask); err != nil || file.overlay == "" {
		return err
	}
	mask.Values = numbers
	over, err := imagefile.Overlay(img, mask.Enlarge([2]int(m.Windows(2)), img.Height, img.Width))
	if err != nil {
		return err
	}
	return imagefile.Write(file.overlay, over)
}
