//go:build cuda && cgo

package gpu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
)

// outerCase is a weight gradient in plain arrays.
type outerCase struct {
	rows, capacity                 int
	room                           int // more capacity, for the same batch
	directions, k, hidden, axes, n int
	bias, gathered                 bool
	most                           int // slots
	precision                      Precision
}

func (c outerCase) String() string {
	return fmt.Sprintf("T=%d,C=%d,R=%d,K=%d,H=%d,D=%d,N=%d,bias=%v", c.rows, c.capacity, c.directions, c.k, c.hidden, c.axes, c.n, c.bias)
}

// runOuter computes a case by a variant (nil: the wrapper's choice), reduction
// included, into gradients that begin as
// ones, and the same in float64.
func runOuter(b *bench, c outerCase, tile *outerTile) (got [3][]float32, want [3][]float64) {
	b.Helper()
	r := newSource(uint64(c.rows*3 + c.n))
	table := c.capacity + 1
	hw := c.directions*c.hidden + 1
	xw := c.k + 1
	x, h := r.floats(table*xw), r.floats(table*hw)
	clear(h[c.capacity*hw:])
	index, input := r.rows(c.directions*table, c.capacity), r.rows(c.directions*table, c.capacity)
	pred := r.rows(c.axes*c.capacity, table)
	for q := range c.directions {
		index[q*table+c.capacity], input[q*table+c.capacity] = int32(c.capacity), int32(c.capacity)
	}
	dz := r.floats(c.directions * c.capacity * c.n)
	for q := range c.directions { // rows behind T hold anything
		copy(dz[(q*c.capacity+c.rows)*c.n:], gputest.NaNs((c.capacity-c.rows)*c.n))
	}

	lengths := [3]int{c.directions * c.n * c.k, c.directions * c.axes * c.n * c.hidden, 0}
	if c.bias {
		lengths[2] = c.directions * c.n
	}
	for i, n := range lengths {
		want[i] = make([]float64, n)
		for j := range want[i] {
			want[i][j] = 1
		}
	}
	for q := range c.directions {
		for row := range c.rows {
			source := row
			if c.gathered {
				source = int(index[q*table+row])
			}
			for n := range c.n {
				d := float64(dz[(q*c.capacity+row)*c.n+n])
				for k := range c.k {
					want[0][(q*c.n+n)*c.k+k] += d * float64(x[source*xw+k])
				}
				for a := range c.axes {
					from := int(input[q*table+int(pred[a*c.capacity+row])])
					for j := range c.hidden {
						want[1][((q*c.axes+a)*c.n+n)*c.hidden+j] += d * float64(h[from*hw+q*c.hidden+j])
					}
				}
				if c.bias {
					want[2][q*c.n+n] += d
				}
			}
		}
	}

	room := c.capacity + c.room
	x, h = moved(x, 1, c.capacity, room, xw), moved(h, 1, c.capacity, room, hw)
	index, input = renamed(index, c.directions, c.capacity, room), renamed(input, c.directions, c.capacity, room)
	pred = renamed(pred, c.axes, c.capacity, room)
	dz = moved(dz, c.directions, c.capacity, room, c.n)
	table = room + 1

	args := OuterArgs{
		Rows: b.ints("rows", int32(c.rows)).Address(), Capacity: room, X: b.floats("x", x).Address(),
		DZ: b.floats("dz", dz).Address(), Directions: c.directions, K: c.k, Hidden: c.hidden, Axes: c.axes, N: c.n,
		XWidth: xw, HWidth: hw, TableRows: table, PredRows: room, DZRows: room, Bias: c.bias, Precision: c.precision, most: c.most,
	}
	if c.gathered {
		args.Index = b.ints("index", index...).Address()
	}
	if c.axes > 0 {
		args.H, args.Input, args.Pred = b.floats("h", h).Address(), b.ints("input", input...).Address(), b.ints("pred", pred...).Address()
	}
	args.Partial = b.floats("partial", gputest.NaNs(args.PartialLength())).Address()
	var grads [3]*gputest.Buffer[float32]
	var to [3]cuda.Address
	for i, n := range lengths {
		ones := make([]float32, n)
		for j := range ones {
			ones[j] = 1
		}
		grads[i] = b.floats("gradient", ones)
		to[i] = grads[i].Address()
	}
	if tile == nil {
		b.must(b.k.Outer(b.s, args))
	} else {
		b.must(b.k.outer(b.s, *tile, args))
	}
	b.must(b.k.Reduce(b.s, b.jobs(ReduceTable(args.ReduceJobs(to[0], to[1], to[2])))))
	for i := range got {
		got[i] = grads[i].Values()
	}
	return got, want
}

// moved gives parts arrays of capacity rows, or of those and a row of zeros,
// more room: rows behind hold NaN, and the row of zeros comes last.
func moved(x []float32, parts, capacity, room, width int) []float32 {
	rows := 0
	if parts*width > 0 {
		rows = len(x) / parts / width
	}
	var out []float32
	for p := range parts {
		part := x[p*rows*width : (p+1)*rows*width]
		out = append(out, part[:capacity*width]...)
		out = append(out, gputest.NaNs((room-capacity)*width)...)
		out = append(out, part[capacity*width:]...)
	}
	return out
}

// renamed is moved for tables of rows: the row of zeros has another number.
func renamed(x []int32, parts, capacity, room int) []int32 {
	floats := make([]float32, len(x))
	for i, v := range x {
		floats[i] = float32(v)
	}
	var out []int32
	for _, v := range moved(floats, parts, capacity, room, 1) {
		if v != v || v == float32(capacity) {
			v = float32(room)
		}
		out = append(out, int32(v))
	}
	return out
}

func TestOuter(t *testing.T) {
	b := newBench(t)
	var cases []outerCase
	for _, rows := range []int{0, 1, 15, 16, 17, 63, 64, 65, 300} {
		cases = append(cases, outerCase{rows: rows, capacity: rows + 5, directions: 2, k: 3, hidden: 4, axes: 2, n: 20, bias: true, gathered: true})
	}
	for _, n := range []int{1, 64, 65, 80, 81} { // around the tiles, either way
		cases = append(cases,
			outerCase{rows: 30, capacity: 30, directions: 1, k: n, n: 10, bias: true},
			outerCase{rows: 30, capacity: 30, directions: 1, k: 10, n: n},
			outerCase{rows: 30, capacity: 30, directions: 1, k: 1, hidden: n, axes: 1, n: 5, gathered: true})
	}
	cases = append(cases,
		outerCase{rows: 20, capacity: 20, directions: 1, k: 2, n: 129, bias: true},
		outerCase{rows: 90, capacity: 400, directions: 4, k: 1, hidden: 5, axes: 3, n: 30, gathered: true},
		outerCase{rows: 20, capacity: 20, directions: 1, k: 1, hidden: 3, axes: 8, n: 4, bias: true, gathered: true})
	for _, c := range cases {
		t.Run(c.String(), func(t *testing.T) { checkOuter(b.with(t), c, nil) })
	}
	for _, tile := range outerTiles { // every variant, beyond its tile either way
		c := outerCase{rows: 40, capacity: 40, directions: 2, k: 7, hidden: 25, axes: 3, n: 130, bias: true, gathered: true}
		t.Run(tile.kernel, func(t *testing.T) { checkOuter(b.with(t), c, &tile) })
	}
}

// checkOuter compares a case with float64, and with itself in a plan with more
// room.
func checkOuter(b *bench, c outerCase, tile *outerTile) {
	b.Helper()
	got, want := runOuter(b, c, tile)
	for i, name := range []string{"weight_ih", "weight_hh", "bias"} {
		near(b, name, got[i], want[i], 2e-6*math.Sqrt(float64(c.rows)+1), 1e-6)
	}
	c.room = 3000
	again, _ := runOuter(b, c, nil)
	for i := range got {
		if !slices.Equal(got[i], again[i]) {
			b.Errorf("array %d has other bits in a plan with more room, or by another kernel", i)
		}
	}
}

// TestOuterLong: more rows in a slot than are added up in one go.
func TestOuterLong(t *testing.T) {
	b := newBench(t)
	for _, rows := range []int{511, 512, 513, 1040} {
		c := outerCase{rows: rows, capacity: rows, directions: 1, k: 2, n: 3, bias: true, most: 1}
		t.Run(c.String(), func(t *testing.T) { checkOuter(b.with(t), c, nil) })
	}
}

func TestOuterChoice(t *testing.T) {
	for _, c := range []struct {
		k, hidden, axes, n int
		bias               bool
		want               string
	}{
		{1, 16, 2, 80, false, "outer_80_64"}, {16, 16, 2, 80, true, "outer_80_64"}, {1, 32, 2, 160, false, "outer_80_80"},
		{16, 128, 2, 640, true, "outer_128_64"}, {16, 0, 0, 1, true, "outer_64_64"}, {64, 0, 0, 128, false, "outer_128_64"},
		{80, 0, 0, 64, false, "outer_80_80"},
	} {
		a := OuterArgs{Capacity: 1 << 17, Directions: 1, K: c.k, Hidden: c.hidden, Axes: c.axes, N: c.n, Bias: c.bias}
		if got := a.Kernel(); got != c.want {
			t.Errorf("%+v: %s, want %s", c, got, c.want)
		}
	}
	few, many := OuterArgs{Capacity: 100, Directions: 1, K: 1, N: 5}, OuterArgs{Capacity: 1 << 20, Directions: 4, K: 500, N: 640}
	if few.Slots() != 2 || many.Slots() != 6 {
		t.Errorf("%d and %d slots", few.Slots(), many.Slots())
	}
}

func TestOuterRefused(t *testing.T) {
	b := newBench(t)
	x := b.floats("x", make([]float32, 64)).Address()
	good := OuterArgs{
		Rows: x, Capacity: 4, X: x, H: x, Input: x, Pred: x, DZ: x, Partial: x, Directions: 2, K: 2, Hidden: 3, Axes: 1, N: 2,
		XWidth: 2, HWidth: 6, TableRows: 5, PredRows: 4, DZRows: 4,
	}
	for _, c := range []struct {
		name   string
		change func(a *OuterArgs)
		want   string
	}{
		{"hidden", func(a *OuterArgs) { a.Hidden = 0 }, "Hidden is 0"},
		{"narrow x", func(a *OuterArgs) { a.XWidth = 1 }, "XWidth is 1, want 2"},
		{"narrow h", func(a *OuterArgs) { a.HWidth = 5 }, "HWidth is 5, want 6"},
		{"no table of predecessors", func(a *OuterArgs) { a.Pred = 0 }, "no array Pred"},
		{"short tables", func(a *OuterArgs) { a.TableRows = 3 }, "TableRows is 3, want 4"},
		{"short dz", func(a *OuterArgs) { a.DZRows = 3 }, "DZRows is 3, want 4"},
		{"large slot", func(a *OuterArgs) { a.K, a.XWidth, a.N = 1<<20, 1<<20, 1<<12 }, "a slot is the product"},
	} {
		a := good
		c.change(&a)
		if err := b.k.Outer(b.s, a); !errors.Is(err, ErrShape) || !contains(err, c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
