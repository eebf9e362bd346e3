package gpu

import (
	"math"

	"mdlstm-gpu/host/cuda"
)

// RowsArgs are what all kernels of kernels/rows.cu take: how many rows the
// result has.
type RowsArgs struct {
	Rows     cuda.Address // int32 [1]: T of the result, at most Capacity
	Capacity int
}

// elementsBlock is how many elements a block of the row kernels handles.
const elementsBlock = 1024

// split is how many rows of width elements each block has, and the grid.
func (a RowsArgs) split(width int) (rows int, grid cuda.Dim) {
	rows = max(elementsBlock/width, 1)
	return rows, cuda.Dim{X: blocksOf(a.Capacity, rows)}
}

// check begins the checks of a kernel whose result has rows of so many elements.
func (a RowsArgs) check(kernel string, width ...int) *sizes {
	c := checking(kernel).positive("Capacity", a.Capacity).present("Rows", a.Rows)
	for _, w := range width {
		c.positive("width", w)
	}
	return c.product("width of a row", width...)
}

// GatherArgs are the arguments of [Kernels.Gather].
type GatherArgs struct {
	RowsArgs
	In        cuda.Address // rows of Width values
	Index     cuda.Address // int32 [Parts, IndexRows] row of In that part o of row r reads; 0 with one part: row r
	Out       cuda.Address // [·, Parts·Width] (=)
	Width     int
	Parts     int // 0 means 1
	IndexRows int
}

// Gather queues out[r, o·Width + j] = in[index[o, r], j]: inputs from packed
// order, results into it, windows forward, sums over an axis backward.
func (k *Kernels) Gather(s *cuda.Stream, a GatherArgs) error {
	a.Parts = max(a.Parts, 1)
	c := a.check("gather_rows", a.Width, a.Parts).present("In", a.In).present("Out", a.Out)
	if a.Parts > 1 {
		c.present("Index", a.Index)
	}
	if a.Index != 0 {
		c.within("IndexRows", a.IndexRows, a.Capacity, math.MaxInt32)
	}
	if c.err != nil {
		return c.err
	}
	rows, grid := a.split(a.Parts * a.Width)
	return k.launch(s, "gather_rows", grid, 0, ptr(a.In), ptr(a.Index), ptr(a.Out), ptr(a.Rows), i32(a.Width), i32(a.Parts),
		i32(a.IndexRows), i32(rows))
}

// GatherPartsArgs are the arguments of [Kernels.GatherParts].
type GatherPartsArgs struct {
	RowsArgs
	In    cuda.Address // rows of Parts·Width values
	Index cuda.Address // int32 [rows] row of In
	Part  cuda.Address // int32 [rows] part of that row
	Out   cuda.Address // [·, Width] (=)
	Width int
	Parts int
}

// GatherParts queues out[r, j] = in[index[r], part[r]·Width + j]: windows
// backward.
func (k *Kernels) GatherParts(s *cuda.Stream, a GatherPartsArgs) error {
	c := a.check("gather_parts", a.Width, a.Parts).present("In", a.In).present("Index", a.Index).present("Part", a.Part).present("Out", a.Out)
	if c.err != nil {
		return c.err
	}
	rows, grid := a.split(a.Width)
	return k.launch(s, "gather_parts", grid, 0, ptr(a.In), ptr(a.Index), ptr(a.Part), ptr(a.Out), ptr(a.Rows), i32(a.Width),
		i32(a.Parts), i32(rows))
}

// SumRowsArgs are the arguments of [Kernels.SumRows].
type SumRowsArgs struct {
	RowsArgs
	In     cuda.Address // rows of Width values
	Start  cuda.Address // int32 [T+1]
	Source cuda.Address // int32 rows of In: those of row r from Start[r] to Start[r+1]-1
	Out    cuda.Address // [·, Width] (=)
	Width  int
}

// SumRows queues out[r] = Σ in[source[i]], start[r] ≤ i < start[r+1]: the sum
// over an axis.
func (k *Kernels) SumRows(s *cuda.Stream, a SumRowsArgs) error {
	c := a.check("sum_rows", a.Width).present("In", a.In).present("Start", a.Start).present("Source", a.Source).present("Out", a.Out)
	if c.err != nil {
		return c.err
	}
	rows, grid := a.split(a.Width)
	return k.launch(s, "sum_rows", grid, 0, ptr(a.In), ptr(a.Start), ptr(a.Source), ptr(a.Out), ptr(a.Rows), i32(a.Width), i32(rows))
}

// CombineArgs are the arguments of [Kernels.Combine] and [Kernels.Split]: the
// outputs of R directions side by side and their scaled sum.
type CombineArgs struct {
	RowsArgs
	In, Out    cuda.Address // Combine: [·, R·Width] and [·, Width]; Split: [·, Width] and [·, R·Width]
	Width      int
	Directions int
	Scale      float32 // 1, or 1/R for the mean
}

// Combine queues out[r, j] = Scale·Σ_q in[r, q·Width + j].
func (k *Kernels) Combine(s *cuda.Stream, a CombineArgs) error {
	return k.combine(s, "combine_rows", a, a.Width)
}

// Split queues out[r, q·Width + j] = Scale·in[r, j], Combine backward.
func (k *Kernels) Split(s *cuda.Stream, a CombineArgs) error {
	return k.combine(s, "split_rows", a, a.Width*a.Directions)
}

func (k *Kernels) combine(s *cuda.Stream, name string, a CombineArgs, width int) error {
	c := a.check(name, a.Width, a.Directions).present("In", a.In).present("Out", a.Out)
	if c.err != nil {
		return c.err
	}
	rows, grid := a.split(width)
	return k.launch(s, name, grid, 0, ptr(a.In), ptr(a.Out), ptr(a.Rows), i32(a.Width), i32(a.Directions), cuda.Float(a.Scale), i32(rows))
}

// DropoutArgs are the arguments of [Kernels.Dropout].
type DropoutArgs struct {
	RowsArgs
	In, Out cuda.Address // [·, Width]
	Cell    cuda.Address // int32 [rows] packed cell in its sample, before the view
	Sample  cuda.Address // int32 [rows] the sample's place in the batch
	Pass    cuda.Address // uint32 [4]: nn.DropKey low, high; number of the batch's first sample low, high
	Width   int

	Threshold uint32  // nn.DropThreshold(rate)
	Keep      float32 // 1/(1-rate)
}

// Dropout queues out = in · the mask of nn.DropMask: forward on values, backward
// on gradients.
func (k *Kernels) Dropout(s *cuda.Stream, a DropoutArgs) error {
	c := a.check("dropout_rows", a.Width).within("Threshold", int(a.Threshold), 0, 1<<24).present("In", a.In).
		present("Out", a.Out).present("Cell", a.Cell).present("Sample", a.Sample).present("Pass", a.Pass)
	if c.err != nil {
		return c.err
	}
	rows, grid := a.split(a.Width)
	return k.launch(s, "dropout_rows", grid, 0, ptr(a.In), ptr(a.Cell), ptr(a.Sample), ptr(a.Pass), ptr(a.Out), ptr(a.Rows),
		i32(a.Width), i32(int(a.Threshold)), cuda.Float(a.Keep), i32(rows))
}
