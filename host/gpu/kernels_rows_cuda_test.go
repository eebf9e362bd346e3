//go:build cuda && cgo

package gpu

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/nn"
)

// rowCounts are numbers of rows around every edge of a block's share; capacity
// is a little more.
var rowCounts = []int{0, 1, 31, 256, 1023, 1025}

func (b *bench) rowsArgs(rows int) RowsArgs {
	return RowsArgs{Rows: b.ints("rows", int32(rows)).Address(), Capacity: rows + 7}
}

// equal wants the first rows of an output to have exactly these bits, and the
// others to be as they were.
func (b *bench) equal(name string, got *gputest.Buffer[float32], want []float32, rows, width int) {
	b.Helper()
	out := got.Values()
	if i := slices.IndexFunc(want[:rows*width], func(v float32) bool { return v != v }); i >= 0 {
		b.Fatalf("%s: want[%d] is NaN", name, i)
	}
	for i, v := range want[:rows*width] {
		if out[i] != v {
			b.Errorf("%s: row %d of %d, element %d: got %v, want %v", name, i/width, rows, i%width, out[i], v)
			return
		}
	}
	b.untouched(name, out, rows, width)
}

func TestGather(t *testing.T) {
	b := newBench(t)
	for _, rows := range rowCounts {
		for _, c := range []struct{ width, parts int }{{1, 1}, {3, 1}, {1, 4}, {5, 6}, {2000, 1}} {
			t.Run(fmt.Sprintf("rows=%d/width=%d/parts=%d", rows, c.width, c.parts), func(t *testing.T) {
				if rows > 300 && c.width > 100 {
					t.Skip("slow, and no other edge")
				}
				b := b.with(t)
				r := newSource(uint64(rows))
				args := b.rowsArgs(rows)
				in := r.floats((rows + 2) * c.width)
				index := r.rows(c.parts*args.Capacity, rows+2)
				width := c.width * c.parts
				want := make([]float32, args.Capacity*width)
				for row := range rows {
					for o := range c.parts {
						copy(want[row*width+o*c.width:][:c.width], in[int(index[o*args.Capacity+row])*c.width:])
					}
				}
				source := b.floats("in", in)
				out := b.floats("out", gputest.NaNs(args.Capacity*width))
				b.must(b.k.Gather(b.s, GatherArgs{
					RowsArgs: args, In: source.Address(), Index: b.ints("index", index...).Address(), Out: out.Address(),
					Width: c.width, Parts: c.parts, IndexRows: args.Capacity,
				}))
				b.equal("gathered", out, want, rows, width)

				// Window backward: every row of a finer grid takes its part of a row.
				part := r.rows(args.Capacity, c.parts)
				coarse := r.floats((rows + 2) * width)
				back := make([]float32, args.Capacity*c.width)
				for row := range rows {
					copy(back[row*c.width:][:c.width], coarse[int(index[row])*width+int(part[row])*c.width:])
				}
				out = b.floats("back", gputest.NaNs(len(back)))
				b.must(b.k.GatherParts(b.s, GatherPartsArgs{
					RowsArgs: args, In: b.floats("coarse", coarse).Address(), Index: b.ints("index", index...).Address(),
					Part: b.ints("part", part...).Address(), Out: out.Address(), Width: c.width, Parts: c.parts,
				}))
				b.equal("parts", out, back, rows, c.width)
			})
		}
	}
}

// TestGatherPlain: without an index, rows are copied.
func TestGatherPlain(t *testing.T) {
	b := newBench(t)
	args := b.rowsArgs(5)
	in := newSource(1).floats(5 * 3)
	out := b.floats("out", gputest.NaNs(args.Capacity*3))
	b.must(b.k.Gather(b.s, GatherArgs{RowsArgs: args, In: b.floats("in", in).Address(), Out: out.Address(), Width: 3}))
	b.equal("copied", out, in, 5, 3)
}

func TestSumRows(t *testing.T) {
	b := newBench(t)
	for _, rows := range rowCounts {
		for _, width := range []int{1, 7} {
			t.Run(fmt.Sprintf("rows=%d/width=%d", rows, width), func(t *testing.T) {
				b := b.with(t)
				r := newSource(uint64(rows))
				args := b.rowsArgs(rows)
				start, source := []int32{0}, []int32{}
				for row := range rows { // from none to four rows each
					source = append(source, r.rows(row%5, rows)...)
					start = append(start, int32(len(source)))
				}
				source = append(source, 0)
				in := r.floats(max(rows, 1) * width)
				want := make([]float32, args.Capacity*width)
				for row := range rows {
					for _, from := range source[start[row]:start[row+1]] {
						for j := range width {
							want[row*width+j] += in[int(from)*width+j]
						}
					}
				}
				out := b.floats("out", gputest.NaNs(len(want)))
				b.must(b.k.SumRows(b.s, SumRowsArgs{
					RowsArgs: args, In: b.floats("in", in).Address(), Start: b.ints("start", start...).Address(),
					Source: b.ints("source", source...).Address(), Out: out.Address(), Width: width,
				}))
				b.equal("sums", out, want, rows, width)
			})
		}
	}
}

func TestCombine(t *testing.T) {
	b := newBench(t)
	for _, rows := range rowCounts {
		for _, c := range []struct {
			width, directions int
			scale             float32
		}{{1, 2, 1}, {5, 4, 0.25}, {16, 1, 1}} {
			t.Run(fmt.Sprintf("rows=%d/width=%d/directions=%d", rows, c.width, c.directions), func(t *testing.T) {
				b := b.with(t)
				args := b.rowsArgs(rows)
				wide := c.width * c.directions
				h := newSource(uint64(rows)).floats(args.Capacity * wide)
				want, back := make([]float32, args.Capacity*c.width), make([]float32, args.Capacity*wide)
				for row := range rows {
					for j := range c.width {
						for q := range c.directions {
							want[row*c.width+j] += h[row*wide+q*c.width+j]
						}
						want[row*c.width+j] *= c.scale
						for q := range c.directions {
							back[row*wide+q*c.width+j] = c.scale * want[row*c.width+j]
						}
					}
				}
				out, split := b.floats("out", gputest.NaNs(len(want))), b.floats("split", gputest.NaNs(len(back)))
				b.must(b.k.Combine(b.s, CombineArgs{args, b.floats("h", h).Address(), out.Address(), c.width, c.directions, c.scale}))
				b.equal("combined", out, want, rows, c.width)
				b.must(b.k.Split(b.s, CombineArgs{args, out.Address(), split.Address(), c.width, c.directions, c.scale}))
				b.equal("split", split, back, rows, wide)
			})
		}
	}
}

func TestDropout(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		rows, width int
		rate        float64
		first       int64
	}{
		{0, 3, 0.5, 0}, {1, 1, 0.5, 0}, {300, 1, 0.3, 7}, {33, 4, 0.9, 1 << 40}, {257, 5, 0.1, math.MaxInt64 - 2}, {20, 30, 1e-9, 1<<32 - 1},
	} {
		t.Run(fmt.Sprintf("rows=%d/width=%d/rate=%g", c.rows, c.width, c.rate), func(t *testing.T) {
			b := b.with(t)
			r := newSource(3)
			args := b.rowsArgs(c.rows)
			in := r.floats(args.Capacity * c.width)
			cell, sample := r.rows(args.Capacity, 1000), r.rows(args.Capacity, 5)
			if c.first > 1<<62 {
				clear(sample) // no sample beyond the last number
			}
			key := nn.DropKey(5, 12, 1)
			want, mask := make([]float32, len(in)), make([]float32, c.width)
			for row := range c.rows {
				nn.DropMask(key, c.first+int64(sample[row]), int(cell[row]), c.rate, mask)
				for j, m := range mask {
					want[row*c.width+j] = in[row*c.width+j] * m
				}
			}
			out := b.floats("out", gputest.NaNs(len(in)))
			pass := b.ints("pass", int32(uint32(key)), int32(uint32(key>>32)), int32(uint32(c.first)), int32(uint32(uint64(c.first)>>32)))
			b.must(b.k.Dropout(b.s, DropoutArgs{
				RowsArgs: args, In: b.floats("in", in).Address(), Out: out.Address(), Cell: b.ints("cell", cell...).Address(),
				Sample: b.ints("sample", sample...).Address(), Pass: pass.Address(), Width: c.width,
				Threshold: nn.DropThreshold(c.rate), Keep: float32(1 / (1 - c.rate)),
			}))
			b.equal("dropped", out, want, c.rows, c.width)
		})
	}
}

func TestPackAndReduce(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ r, d, n, h int }{{1, 1, 1, 1}, {2, 3, 20, 5}, {4, 2, 80, 16}, {1, 1, 300, 7}} {
		t.Run(fmt.Sprintf("R=%d,D=%d,N=%d,H=%d", c.r, c.d, c.n, c.h), func(t *testing.T) {
			b := b.with(t)
			r := newSource(9)
			hh, ih := r.floats(c.r*c.d*c.n*c.h), r.floats(c.r*c.n*c.h)
			forward, backward, inputs := make([]float32, len(hh)), make([]float32, len(hh)), make([]float32, len(ih))
			for q := range c.r {
				for n := range c.n {
					for j := range c.h {
						inputs[(q*c.h+j)*c.n+n] = ih[(q*c.n+n)*c.h+j]
						for d := range c.d {
							v := hh[((q*c.d+d)*c.n+n)*c.h+j]
							forward[(q*c.d*c.h+d*c.h+j)*c.n+n] = v
							backward[(q*c.n+n)*c.d*c.h+d*c.h+j] = v
						}
					}
				}
			}
			from, other := b.floats("hh", hh), b.floats("ih", ih)
			outs := []*gputest.Buffer[float32]{
				b.floats("hhT", gputest.NaNs(len(hh))), b.floats("hhB", gputest.NaNs(len(hh))), b.floats("ihT", gputest.NaNs(len(ih))),
			}
			b.must(b.k.Pack(b.s, b.jobs(PackTable([]PackJob{
				PackForward(from.Address(), outs[0].Address(), c.r, c.d, c.n, c.h),
				PackBackward(from.Address(), outs[1].Address(), c.r, c.d, c.n, c.h),
				PackInputs(other.Address(), outs[2].Address(), c.r, c.n, c.h),
			}))))
			for i, want := range [][]float32{forward, backward, inputs} {
				b.equal([]string{"hhT", "hhB", "ihT"}[i], outs[i], want, 1, len(want))
			}

			// Reduction: three slots of hh's size, two of which overlap in part, and one slot.
			slots := r.floats(2*3 + len(hh))
			sums := r.floats(len(hh))
			want, single := slices.Clone(sums), slices.Clone(inputs)
			for i := range want {
				want[i] += (slots[i] + slots[3+i]) + slots[6+i]
			}
			for i := range single {
				single[i] += ih[i]
			}
			grad := b.floats("grad", sums)
			b.must(b.k.Reduce(b.s, b.jobs(ReduceTable([]ReduceJob{
				{From: b.floats("slots", slots).Address(), To: grad.Address(), Count: len(hh), Slots: 3, Stride: 3},
				{From: other.Address(), To: outs[2].Address(), Count: len(ih), Slots: 1},
			}))))
			b.equal("sums", grad, want, 1, len(want))
			b.equal("one slot", outs[2], single, 1, len(single))
		})
	}
	b.must(b.k.Reduce(b.s, Jobs{}))
	if err := b.k.Pack(b.s, Jobs{Count: 1, Blocks: 1}); !contains(err, "no array Table") {
		t.Errorf("got %v", err)
	}
	if _, _, err := PackTable([]PackJob{{From: 1, To: 1}}); !contains(err, "Sizes is 0") {
		t.Errorf("got %v", err)
	}
	if _, _, err := ReduceTable([]ReduceJob{{From: 1, To: 1, Count: 1}}); !contains(err, "Slots is 0") {
		t.Errorf("got %v", err)
	}
}
