package main

import (
	"context"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// tiling cuts samples into tiles, each of which is predicted with some cells
// around it; of its outputs those of its own cells are kept.
type tiling struct {
	tile    grid.Shape
	overlap int
	window  []int // cells that become one output cell, an axis each
}

// newTiling refuses tiles that the model's outputs cannot be put together from.
func newTiling(m *nn.Model, text string, overlap int) (*tiling, error) {
	tile, err := grid.ParseShape(text)
	if err != nil {
		return nil, usagef("--tile: %w", err)
	}
	if overlap < 0 || overlap > 1<<20 {
		return nil, usagef("--overlap %d: want 0 to %d cells", overlap, 1<<20)
	}
	if m.Config.View != nn.ViewGrid {
		return nil, usagef("--tile: the model reads a sample as lines (view %s), which tiles would cut: leave --tile out", m.Config.View)
	}
	if want := m.Axes(); want != nn.AnyAxes && want != len(tile) {
		return nil, usagef("--tile %s: the model takes %d axes: give a size for each", text, want)
	}
	for i := range m.Stages {
		s := &m.Stages[i]
		if s.Type == nn.TypeSum {
			return nil, usagef("--tile: %s sums over an axis, which takes the whole sample: leave --tile out", s.Name)
		}
	}
	t := &tiling{tile: tile, overlap: overlap, window: m.Windows(len(tile))}
	for d, cells := range t.window {
		if tile[d]%cells != 0 || overlap%cells != 0 {
			return nil, usagef("--tile %s --overlap %d: the model's windows make %d cells of axis %d one: give multiples of %d", text, overlap, cells, d, cells)
		}
	}
	return t, nil
}

// fits refuses tiles of another number of axes than what is predicted has, which
// what names. A model of dense layers alone takes any.
func (t *tiling) fits(axes int, what string) error {
	if t != nil && len(t.tile) != axes {
		return usagef("--tile %s: %s has %s: give a size for each", t.tile, what, axesOf(axes))
	}
	return nil
}

// tiled predicts a sample of a size at the beginning of x [*in, K] tile by tile
// into the beginning of out [*padded, units].
func (p *predictor) tiled(ctx context.Context, x []float32, in, size []int, out []float32, padded []int) error {
	t := p.tiles
	k, axes := p.e.Model().Config.Input, len(size)
	at := make([]int, axes) // the tile's first cell
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		from, seen := make([]int, axes), make(grid.Shape, axes)                         // with the cells around it
		source, target, kept := make([]int, axes), make([]int, axes), make([]int, axes) // in output cells
		for d := range axes {
			end := min(at[d]+t.tile[d], size[d])
			from[d] = max(at[d]-t.overlap, 0)
			seen[d] = min(end+t.overlap, size[d]) - from[d]
			w := t.window[d]
			source[d], target[d], kept[d] = (at[d]-from[d])/w, at[d]/w, (end-at[d]-1)/w+1
		}
		p.x = resized(p.x, seen.Cells()*k)
		copyBox(box{p.x, seen, nil}, box{x, in, from}, seen, k)
		result, err := p.e.Model().OutputShape(seen)
		if err != nil {
			return err
		}
		p.packed = resized(p.packed, product(result)*p.units)
		if err := p.run([]grid.Shape{seen}, p.x, p.packed); err != nil {
			return err
		}
		copyBox(box{out, padded, target}, box{p.packed, result, source}, kept, p.units)
		d := axes - 1
		for ; d >= 0; d-- {
			if at[d] += t.tile[d]; at[d] < size[d] {
				break
			}
			at[d] = 0
		}
		if d < 0 {
			return nil
		}
	}
}

// resized returns s with length n.
func resized(s []float32, n int) []float32 {
	if cap(s) < n {
		s = make([]float32, n)
	}
	return s[:n]
}

// box is a part of an array [*shape, width] that begins at a cell; nil is the
// first.
type box struct {
	data        []float32
	shape, from []int
}

// copyBox copies a block of a size, of width values a cell, from one array into
// another.
func copyBox(dst, src box, size []int, width int) {
	if len(size) == 0 { // every axis was summed: one cell
		copy(dst.data[:width], src.data)
		return
	}
	last := len(size) - 1
	run := size[last] * width
	at := make([]int, last) // the line
	for {
		copy(dst.data[dst.offset(at)*width:][:run], src.data[src.offset(at)*width:])
		d := last - 1
		for ; d >= 0; d-- {
			if at[d]++; at[d] < size[d] {
				break
			}
			at[d] = 0
		}
		if d < 0 {
			return
		}
	}
}

// offset is the cell at which a line of the block begins.
func (b box) offset(line []int) int {
	cell := 0
	for d, length := range b.shape {
		cell *= length
		if d < len(line) {
			cell += line[d]
		}
		if b.from != nil {
			cell += b.from[d]
		}
	}
	return cell
}
