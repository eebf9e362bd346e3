package task

import "mdlstm-gpu/host/grid"

// view is a part of a sample's grid, some axes seen in reverse.
type view struct {
	start [grid.MaxAxes]int
	size  grid.Shape
	flip  [grid.MaxAxes]bool
}

// middle is the part of a size in the middle of a grid, rounded down.
func middle(full, size grid.Shape) view {
	v := view{size: size}
	for d := range size {
		v.start[d] = (full[d] - size[d]) / 2
	}
	return v
}

// randomView draws, axis after axis, where the part begins if it is shorter than
// the grid, then for each axis in flip whether it is reversed.
func randomView(r *stream, full, size grid.Shape, flip []int) view {
	v := view{size: size}
	for d := range size {
		if size[d] < full[d] {
			v.start[d] = r.intN(full[d] - size[d] + 1)
		}
	}
	for _, d := range flip {
		v.flip[d] = r.intN(2) == 1
	}
	return v
}

// copyView packs a view of src [*full, width] into the beginning of dst [*v.size,
// width]. Grids have at least one axis.
func copyView[T any](dst, src []T, full grid.Shape, v view, width int) {
	last := len(full) - 1
	length := v.size[last] * width
	for line := range v.size.Cells() / v.size[last] {
		from, stride, rest := v.start[last], full[last], line
		for d := last - 1; d >= 0; d-- {
			i := rest % v.size[d]
			rest /= v.size[d]
			if v.flip[d] {
				i = v.size[d] - 1 - i
			}
			from += (v.start[d] + i) * stride
			stride *= full[d]
		}
		in, out := src[from*width:][:length], dst[line*length:][:length]
		if !v.flip[last] {
			copy(out, in)
			continue
		}
		for i := range v.size[last] {
			copy(out[i*width:][:width], in[length-(i+1)*width:])
		}
	}
}
