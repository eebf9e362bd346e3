package gpu

import (
	"math"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/grid"
)

// OuterArgs are the arguments of [Kernels.Outer]: the weight gradients of an
// mdlstm layer (R directions, K inputs, H hidden, N = G·H), or of a dense layer
// (Axes = 0, H none, R = 1, N units).
//
//	partial[q, slot] = Σ_r dz[q, r] ⊗ [ x[Index_q[r]], h[Input_q[Pred_d[r]]] for each d, 1 ]      rows r of the slot
type OuterArgs struct {
	Rows     cuda.Address // int32 [1]: T, at most Capacity
	Capacity int

	X     cuda.Address // rows of XWidth values, of which K are read
	Index cuda.Address // int32 [R, TableRows] row of X; 0: row r
	H     cuda.Address // rows of HWidth values: direction q's begin at q·Hidden
	Input cuda.Address // int32 [R, TableRows] row of H
	Pred  cuda.Address // int32 [Axes, PredRows]
	DZ    cuda.Address // [R, DZRows, N]

	// Partial [R, Slots, E] is overwritten, all of it. A slot has the layout of
	// one direction in the model file: weight_ih [N, K], weight_hh [Axes, N,
	// Hidden], bias [N] when Bias; E values together.
	Partial cuda.Address

	Directions, K, Hidden, Axes, N int
	XWidth, HWidth                 int
	TableRows, PredRows, DZRows    int
	Bias                           bool
	// Precision is that of a layer on tensor cores, else none.
	Precision Precision

	// A stretch of rows, wave[Begin] … wave[End]-1, whose first is row 0 of DZ; the
	// stretches of a batch come one after the other, the last first. Wave = 0: all
	// rows at once. Partial gets the bits of all rows at once.
	// Behind DZ lie [2, Directions, CarryRows, N] more, kept between the stretches.
	Wave       cuda.Address // int32 [wavefronts+1] first row of each
	Begin, End int
	Parity     int // 0 and 1 in turns

	most int // slots; 0: a function of the shapes (tests have one slot of many rows)
}

// columns is how many columns the right factor has.
func (a OuterArgs) columns() int {
	m := a.K + a.Axes*a.Hidden
	if a.Bias {
		m++
	}
	return m
}

// SlotLength is E, the values of one slot.
func (a OuterArgs) SlotLength() int { return a.N * a.columns() }

// outerTile is a variant of the kernel: columns of dz and of the other factor
// that a block computes.
type outerTile struct {
	kernel string
	n, m   int
	mma    bool // on tensor cores
}

// outerTiles are those in kernels/outer.cu.
var outerTiles = []outerTile{
	{"outer_64_64", 64, 64, false}, {"outer_80_64", 80, 64, false}, {"outer_128_64", 128, 64, false}, {"outer_80_80", 80, 80, false},
}

// count is how many tiles cover n × m.
func (t outerTile) count(n, m int) int { return blocksOf(n, t.n) * blocksOf(m, t.m) }

// shared is the bytes of two buffers, of the columns' places, on tensor cores of
// where they come from, and of the rows looked up for D axes.
func (t outerTile) shared(axes int) int {
	buffers, tables := 4*2*outerDepth*(t.n+t.m), 1
	if t.mma {
		buffers, tables = mmaShared(t.n, t.m, false), 2
	}
	return buffers + 4*(2*tables*t.m+(1+axes)*outerChunk)
}

// tile is the variant that computes least beyond the edges, of those the one of
// the largest tiles. All of a precision have the same bits.
func (a OuterArgs) tile() outerTile {
	if a.Precision.tensor() {
		return outerTile{"outer" + a.Precision.suffix(), 128, 64, true}
	}
	best := outerTiles[0]
	area := func(t outerTile) int { return t.count(a.N, a.columns()) * t.n * t.m }
	for _, t := range outerTiles[1:] {
		if area(t) < area(best) || area(t) == area(best) && t.n*t.m > best.n*best.m {
			best = t
		}
	}
	return best
}

// Kernel names the kernel that [Kernels.Outer] runs: a function of the shapes
// alone.
func (a OuterArgs) Kernel() string { return a.tile().kernel }

// How the rows are split: into slots that fill a device several times over, of
// rows enough to be worth their sum. outerLeast, outerDepth and outerChunk are
// kOuterLeast, kOuterRows and kOuterChunk in kernels/outer.cu.
const (
	outerBlocks   = 1024
	maxOuterSlots = 256
	outerLeast    = 64
	outerDepth    = 16
	outerChunk    = 128

	// CarryRows is how many rows of dz a stretch may leave for the one before:
	// kOuterChain in kernels/outer.cu.
	CarryRows = 512
)

// mostSlots is S, into how many slots the rows of a large batch are split: a
// function of the shapes alone, so that a batch has the same bits whatever the
// capacity of its plan.
func (a OuterArgs) mostSlots() int {
	if a.most > 0 {
		return a.most
	}
	blocks := a.tile().count(a.N, a.columns()) * a.Directions
	return min(max(outerBlocks/max(blocks, 1), 1), maxOuterSlots)
}

// Slots is how many slots Partial has: as many of [OuterArgs.mostSlots] as a
// batch within the capacity can fill.
func (a OuterArgs) Slots() int { return min(a.mostSlots(), blocksOf(a.Capacity, outerLeast)) }

// PartialLength is how many values Partial has.
func (a OuterArgs) PartialLength() int {
	return a.Directions * a.Slots() * a.SlotLength()
}

// Outer queues the sums over rows of outer products (kernels/outer.cu). What
// they leave in Partial is added up by the jobs of [OuterArgs.ReduceJobs].
func (k *Kernels) Outer(s *cuda.Stream, a OuterArgs) error { return k.outer(s, a.tile(), a) }

// outer is Outer by a variant of choice.
func (k *Kernels) outer(s *cuda.Stream, tile outerTile, a OuterArgs) error {
	c := checking(tile.kernel).positive("Capacity", a.Capacity).within("Directions", a.Directions, 1, maxGridYZ).
		positive("K", a.K).positive("N", a.N).within("Axes", a.Axes, 0, grid.MaxAxes).
		within("XWidth", a.XWidth, a.K, math.MaxInt32).within("DZRows", a.DZRows, 1, math.MaxInt32).within("Parity", a.Parity, 0, 1).
		present("Rows", a.Rows).present("X", a.X).present("DZ", a.DZ).present("Partial", a.Partial)
	if a.Index != 0 || a.Axes > 0 {
		c.within("TableRows", a.TableRows, a.Capacity, math.MaxInt32)
	}
	if a.Wave == 0 {
		c.within("DZRows", a.DZRows, a.Capacity, math.MaxInt32)
	} else {
		c.within("End", a.End, a.Begin, math.MaxInt32-1).
			product("rows of dz", a.Directions, a.DZRows+2*CarryRows)
	}
	if a.Axes > 0 {
		c.positive("Hidden", a.Hidden).present("H", a.H).present("Input", a.Input).present("Pred", a.Pred).
			product("Directions·Hidden", a.Directions, a.Hidden).
			within("HWidth", a.HWidth, a.Directions*a.Hidden, math.MaxInt32).within("PredRows", a.PredRows, a.Capacity, math.MaxInt32)
	}
	if c.err == nil {
		c.product("Axes·Hidden", a.Axes, a.Hidden)
	}
	if c.err == nil {
		c.product("a slot", a.N, a.columns())
	}
	if c.err != nil {
		return c.err
	}
	tail := 0
	if a.Bias {
		tail = 1
	}
	blocks := cuda.Dim{X: tile.count(a.N, a.columns()), Y: a.Slots(), Z: a.Directions}
	return k.launch(s, tile.kernel, blocks, tile.shared(a.Axes), ptr(a.X), ptr(a.Index), ptr(a.H), ptr(a.Input), ptr(a.Pred), ptr(a.DZ),
		ptr(a.Partial), ptr(a.Rows), i32(a.K), i32(a.Hidden), i32(a.Axes), i32(a.N), i32(a.XWidth), i32(a.HWidth),
		i32(a.TableRows), i32(a.PredRows), i32(a.DZRows), i32(a.mostSlots()), i32(tail),
		ptr(a.Wave), ptr(a.DZ+cuda.Address(4*a.Directions*a.DZRows*a.N)), i32(a.Begin), i32(a.End), i32(a.Parity))
}

// ReduceJobs are the jobs that add the slots in Partial into gradients with the
// layout of the model file: weight_ih [R, N, K], weight_hh [R, Axes, N, Hidden],
// bias [R, N]; for a dense layer weight [N, K] and bias [N].
func (a OuterArgs) ReduceJobs(ih, hh, bias cuda.Address) []ReduceJob {
	slots := a.Slots()
	var jobs []ReduceJob
	for q := range a.Directions {
		from := a.Partial + cuda.Address(4*q*slots*a.SlotLength())
		add := func(to cuda.Address, count int) {
			if count > 0 {
				jobs = append(jobs, ReduceJob{From: from, To: to + cuda.Address(4*q*count), Count: count, Slots: slots, Stride: a.SlotLength()})
			}
			from += cuda.Address(4 * count)
		}
		add(ih, a.N*a.K)
		add(hh, a.N*a.Axes*a.Hidden)
		if a.Bias {
			add(bias, a.N)
		}
	}
	return jobs
}
