package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/nn"
)

// pictures writes a PNG for each picture.
func (j *prediction) pictures(ctx context.Context) error {
	if err := j.m.Pictures(); err != nil {
		return fmt.Errorf("--model %s: %w", j.model, err)
	}
	if j.overlay != "" && j.m.Config.Loss != nn.CrossEntropy {
		return usagef("--overlay %s: --model %s puts out no classes to lay over a picture: leave --overlay out", j.overlay, j.model)
	}
	if err := j.tiles.fits(2, "a picture"); err != nil {
		return err
	}
	if !j.folder && !strings.EqualFold(filepath.Ext(j.out), ".png") {
		return usagef("--out %s: a picture's prediction is a PNG: name it with .png at its end", j.out)
	}
	return j.files(ctx, fileKind{
		noun: "picture", ending: ".png", list: imagefile.List,
		stat: func(path string) error {
			_, err := imagefile.Stat(path, imagefile.Limits{})
			return err
		},
		predict: func(ctx context.Context, p *predictor, f predictedFile) error {
			img, out, err := p.picture(ctx, f.in)
			if err != nil {
				return &inputError{err}
			}
			return p.store(f, img, out)
		},
	})
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
func (p *predictor) store(file predictedFile, img *imagefile.Image, out []float32) error {
	m := p.e.Model()
	result, err := m.OutputShape(grid.Shape{img.Height, img.Width})
	if err != nil {
		return fmt.Errorf("%s: %w", file.in, err)
	}
	if m.Config.Loss != nn.CrossEntropy {
		return imagefile.Write(file.out, &imagefile.Image{Height: result[0], Width: result[1], Channels: p.units, Pix: out, Bits: img.Bits})
	}
	numbers, err := nn.LargestClasses(out, result, p.units)
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
