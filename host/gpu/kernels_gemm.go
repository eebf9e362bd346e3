package gpu

import (
	"fmt"
	"math"

	"mdlstm-gpu/host/cuda"
)

// Activation is what a dense layer applies to its outputs (activation.cuh).
type Activation int

// The activations of dense layers. A softmax is the work of the loss.
const (
	Linear Activation = iota
	Tanh
	Sigmoid
)

// Flags of kernels/gemm.cu: kAccumulate, kScatter.
const (
	accumulateFlag = 4
	scatterFlag    = 8
)

// ProductArgs are the arguments of [Kernels.Product]: T rows of a gathered
// matrix times weights.
//
//	out[q, r, n] = activation( Σ_s Σ_k A[p, Index[p, r], k] · B[p, k, n] + Bias[q, n] ( + out[q, r, n]) )
//
// Either Products = Q at once, p = q, or one product of Segments = S terms side
// by side, p = s.
type ProductArgs struct {
	Rows     cuda.Address // int32 [1]: T
	First    cuda.Address // int32 [1]: F, the first row; 0: F = 0. Row r has row r-F of Out
	Capacity int          // T - F is at most that

	A     cuda.Address // rows of AWidth values of which K are read
	Index cuda.Address // int32 [P, IndexRows] row of A that row r reads; 0: row r
	B     cuda.Address // [P, K, N]
	Bias  cuda.Address // [Q, N]; 0: none
	Out   cuda.Address // [Q, OutRows, N], rows 0 … T-1 (=; += with Accumulate); not A

	K, N      int
	AWidth    int
	ARows     int // rows from the A of one p to the next; 0: all share A
	IndexRows int
	OutRows   int

	Products, Segments int // 0 means 1; one of them is 1
	Activation         Activation
	Accumulate         bool
	// Scatter: row r reads row r-F of A and has row Index[p, r] of Out, which no
	// other row of the product has.
	Scatter bool
	// Precision is that of a layer on tensor cores, else none; products too small
	// for them are float32 all the same.
	Precision Precision
}

// gemmTile is a variant of the tiled kernel: rows and columns of a block's tile,
// and its depth.
type gemmTile struct {
	kernel               string
	rows, columns, depth int
}

// gemmTiles are those in kernels/gemm.cu, the first for small products.
var gemmTiles = []gemmTile{
	{"rows_gemm_small", 64, 64, 16},
	{"rows_gemm_64", 128, 64, 8},
	{"rows_gemm_80", 128, 80, 8},
	{"rows_gemm_128", 128, 128, 8},
}

// gemmBlocks is how many blocks of large tiles are enough to fill a device.
const gemmBlocks = 256

// The least inputs and outputs that pay on tensor cores: half of a tile's
// columns, and two steps.
const (
	productTensorInputs  = 32
	productTensorOutputs = 64
)

// Kernel names the kernel that computes a product: a function of its sizes and
// precision alone. All of a precision have the same bits.
func (a ProductArgs) Kernel() string {
	if a.Precision.tensor() && a.K >= productTensorInputs && a.N >= productTensorOutputs {
		return "rows_gemm" + a.Precision.suffix()
	}
	if a.N <= 8 {
		return "rows_gemm_narrow"
	}
	best := gemmTiles[1] // the one that computes least beyond N, of those the widest
	for _, tile := range gemmTiles[2:] {
		if tile.padded(a.N) <= best.padded(a.N) {
			best = tile
		}
	}
	if blocksOf(a.Capacity, best.rows)*blocksOf(a.N, best.columns)*max(a.Products, 1) < gemmBlocks {
		best = gemmTiles[0]
	}
	return best.kernel
}

// padded is how many columns are computed for n.
func (t gemmTile) padded(n int) int { return blocksOf(n, t.columns) * t.columns }

// shared is the bytes of two buffers of gemm_tile.
func (t gemmTile) shared() int { return 4 * 2 * t.depth * (t.rows + 4 + t.columns) }

// Product queues a product of gathered rows (kernels/gemm.cu).
func (k *Kernels) Product(s *cuda.Stream, a ProductArgs) error { return k.product(s, a.Kernel(), a) }

// product is Product by a kernel of choice.
func (k *Kernels) product(s *cuda.Stream, name string, a ProductArgs) error {
	a.Products, a.Segments = max(a.Products, 1), max(a.Segments, 1)
	c := checking(name).positive("Capacity", a.Capacity).positive("K", a.K).positive("N", a.N).
		within("AWidth", a.AWidth, a.K, math.MaxInt32).within("ARows", a.ARows, 0, math.MaxInt32).
		within("OutRows", a.OutRows, a.Capacity, math.MaxInt32).within("Products", a.Products, 1, maxGridYZ).
		within("Segments", a.Segments, 1, math.MaxInt32).within("Activation", int(a.Activation), int(Linear), int(Sigmoid)).
		product("Segments·K", a.Segments, a.K).
		present("Rows", a.Rows).present("A", a.A).present("B", a.B).present("Out", a.Out)
	if a.Scatter {
		c.present("Index", a.Index)
	}
	if a.Index != 0 {
		c.within("IndexRows", a.IndexRows, a.Capacity, math.MaxInt32)
	}
	if c.err == nil && a.Products > 1 && a.Segments > 1 {
		c.err = fmt.Errorf("kernel %s: %w: %d products of %d segments: one of them must be 1", name, ErrShape, a.Products, a.Segments)
	}
	var grid cuda.Dim
	shared := 0
	if name == "rows_gemm_narrow" {
		c.within("N", a.N, 1, narrowThreads)
		grid = cuda.Dim{X: blocksOf(a.Capacity, narrowThreads/min(max(a.N, 1), narrowThreads)), Y: 1, Z: a.Products}
	}
	if name == "rows_gemm"+a.Precision.suffix() {
		c.within("Activation", int(a.Activation), int(Linear), int(Linear))
		grid = cuda.Dim{X: blocksOf(a.Capacity, mmaRows), Y: blocksOf(a.N, mmaColumns), Z: a.Products}
		shared = mmaShared(mmaRows, mmaColumns, true)
	}
	for _, tile := range gemmTiles {
		if tile.kernel == name {
			grid = cuda.Dim{X: blocksOf(a.Capacity, tile.rows), Y: blocksOf(a.N, tile.columns), Z: a.Products}
			shared = tile.shared()
		}
	}
	if c.err != nil {
		return c.err
	}
	flags := int(a.Activation)
	if a.Accumulate {
		flags |= accumulateFlag
	}
	if a.Scatter {
		flags |= scatterFlag
	}
	return k.launch(s, name, grid, shared, ptr(a.A), ptr(a.Index), ptr(a.B), ptr(a.Bias), ptr(a.Out), ptr(a.Rows), ptr(a.First),
		i32(a.K), i32(a.N), i32(a.AWidth), i32(a.ARows), i32(a.IndexRows), i32(a.OutRows), i32(a.Segments), i32(flags))
}

// narrowThreads is kNarrowThreads in kernels/gemm.cu.
const narrowThreads = 256
