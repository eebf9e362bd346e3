//go:build cuda && cgo

package gpu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"mdlstm-gpu/host/cuda/gputest"
)

// productCase is a product in plain arrays.
type productCase struct {
	rows, capacity, k, n int
	products, segments   int
	width                int // of A's rows
	gathered, shared     bool
	bias, accumulate     bool
	activation           Activation
	precision            Precision
}

func (c productCase) String() string {
	return fmt.Sprintf("T=%d,C=%d,K=%d,N=%d,Q=%d,S=%d,gathered=%v,shared=%v,bias=%v,accumulate=%v,activation=%d",
		c.rows, c.capacity, c.k, c.n, c.products, c.segments, c.gathered, c.shared, c.bias, c.accumulate, c.activation)
}

func activated(x float64, a Activation) float64 {
	switch a {
	case Tanh:
		return math.Tanh(x)
	case Sigmoid:
		return 1 / (1 + math.Exp(-x))
	}
	return x
}

// runProduct computes a case on the device by the named kernel ("" for the
// wrapper's choice) and in float64.
func runProduct(b *bench, c productCase, kernel string) (got []float32, want []float64) {
	b.Helper()
	r := newSource(uint64(c.rows*7 + c.n))
	parts := c.products * c.segments
	sourceRows := c.capacity + 1
	aRows := sourceRows
	if c.shared {
		aRows = 0
	}
	a := r.floats(max(aRows*parts, sourceRows) * c.width)
	index := r.rows(parts*(c.capacity+1), sourceRows)
	weights, bias := r.floats(parts*c.k*c.n), r.floats(c.products*c.n)
	out := r.floats(c.products * (c.capacity + 1) * c.n)
	for q := range c.products { // what must not be touched
		copy(out[(q*(c.capacity+1)+c.rows)*c.n:], gputest.NaNs((c.capacity+1-c.rows)*c.n))
	}
	if !c.accumulate {
		out = gputest.NaNs(len(out))
	}

	for q := range c.products {
		for row := range c.capacity + 1 {
			for n := range c.n {
				at := (q*(c.capacity+1)+row)*c.n + n
				if row >= c.rows {
					want = append(want, math.NaN())
					continue
				}
				var sum float64
				for s := range c.segments {
					p := q + s
					source := row
					if c.gathered {
						source = int(index[p*(c.capacity+1)+row])
					}
					for k := range c.k {
						sum += float64(a[(p*aRows+source)*c.width+k]) * float64(weights[(p*c.k+k)*c.n+n])
					}
				}
				if c.accumulate {
					sum += float64(out[at])
				}
				if c.bias {
					sum += float64(bias[q*c.n+n])
				}
				want = append(want, activated(sum, c.activation))
			}
		}
	}

	result := b.floats("out", out)
	args := ProductArgs{
		Rows: b.ints("rows", int32(c.rows)).Address(), Capacity: c.capacity,
		A: b.floats("A", a).Address(), B: b.floats("B", weights).Address(), Out: result.Address(),
		K: c.k, N: c.n, AWidth: c.width, ARows: aRows, IndexRows: c.capacity + 1, OutRows: c.capacity + 1,
		Products: c.products, Segments: c.segments, Activation: c.activation, Accumulate: c.accumulate,
		Precision: c.precision,
	}
	if c.gathered {
		args.Index = b.ints("index", index...).Address()
	}
	if c.bias {
		args.Bias = b.floats("bias", bias).Address()
	}
	if kernel == "" {
		b.must(b.k.Product(b.s, args))
	} else {
		b.must(b.k.product(b.s, kernel, args))
	}
	return result.Values(), want
}

// sameOrNaN compares with want where that is a number; got must be NaN where
// want is.
func sameOrNaN(b *bench, name string, got []float32, want []float64, atol float64) {
	b.Helper()
	x, y := make([]float32, 0, len(got)), make([]float64, 0, len(got))
	for i, w := range want {
		if math.IsNaN(w) {
			if got[i] == got[i] {
				b.Errorf("%s[%d] = %v was written", name, i, got[i])
				return
			}
			continue
		}
		x, y = append(x, got[i]), append(y, w)
	}
	near(b, name, x, y, atol, 0)
}

var productKernels = []string{"rows_gemm_small", "rows_gemm_64", "rows_gemm_80", "rows_gemm_128", "rows_gemm_narrow"}

func TestProduct(t *testing.T) {
	b := newBench(t)
	var cases []productCase
	for _, rows := range []int{1, 64, 129} { // around the tiles of all kernels
		for _, n := range []int{1, 3, 64, 81, 129} {
			cases = append(cases, productCase{rows: rows, capacity: rows + 3, k: 17, n: n, products: 1, segments: 1, width: 17})
		}
	}
	for _, k := range []int{1, 7, 8, 9, 15, 16, 31, 33, 80} { // around the depth of a tile
		cases = append(cases, productCase{rows: 40, capacity: 40, k: k, n: 20, products: 1, segments: 1, width: k + 2, gathered: true})
	}
	cases = append(cases,
		productCase{rows: 70, capacity: 130, k: 5, n: 24, products: 4, segments: 1, width: 5, gathered: true, shared: true, bias: true},
		productCase{rows: 70, capacity: 130, k: 24, n: 5, products: 1, segments: 4, width: 24, gathered: true},
		productCase{rows: 70, capacity: 70, k: 20, n: 70, products: 1, segments: 3, width: 20},
		productCase{rows: 20, capacity: 25, k: 9, n: 6, products: 2, segments: 1, width: 12, accumulate: true},
		productCase{rows: 20, capacity: 25, k: 9, n: 6, products: 1, segments: 1, width: 9, bias: true, activation: Tanh},
		productCase{rows: 20, capacity: 25, k: 9, n: 12, products: 2, segments: 1, width: 9, bias: true, activation: Sigmoid, accumulate: true},
		productCase{rows: 0, capacity: 25, k: 9, n: 12, products: 1, segments: 1, width: 9},
	)
	for _, c := range cases {
		t.Run(c.String(), func(t *testing.T) {
			b := b.with(t)
			var first []float32
			for _, kernel := range productKernels {
				got, want := runProduct(b, c, kernel)
				// measured: 3.5e-6 at K = 80
				sameOrNaN(b, kernel, got, want, 2e-6*math.Sqrt(float64(c.k*c.segments)))
				if first == nil {
					first = got
				}
				if !slices.EqualFunc(got, first, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
					t.Errorf("%s has other bits than %s", kernel, productKernels[0])
				}
			}
		})
	}
}

func TestProductChoice(t *testing.T) {
	for _, c := range []struct {
		rows, n, products int
		want              string
	}{
		{1024, 1, 1, "rows_gemm_narrow"}, {1 << 20, 8, 4, "rows_gemm_narrow"}, {1024, 9, 1, "rows_gemm_small"},
		{1024, 80, 4, "rows_gemm_small"}, {1 << 18, 64, 4, "rows_gemm_64"}, {1 << 17, 80, 4, "rows_gemm_80"}, {50176, 160, 4, "rows_gemm_80"},
		{1 << 18, 640, 4, "rows_gemm_128"}, {1 << 18, 256, 4, "rows_gemm_128"}, {1 << 18, 50, 1, "rows_gemm_64"},
	} {
		a := ProductArgs{Capacity: c.rows, N: c.n, Products: c.products}
		if got := a.Kernel(); got != c.want {
			t.Errorf("%d rows, %d outputs, %d products: %s, want %s", c.rows, c.n, c.products, got, c.want)
		}
	}
	b := newBench(t)
	b.must(nil)
	got, want := runProduct(b, productCase{rows: 5, capacity: 5, k: 3, n: 2, products: 1, segments: 1, width: 3}, "")
	sameOrNaN(b, "chosen", got, want, 1e-6)
}

func TestProductRefused(t *testing.T) {
	b := newBench(t)
	x := b.floats("x", make([]float32, 64))
	at := x.Address()
	good := ProductArgs{Rows: at, Capacity: 4, A: at, B: at, Out: at, K: 2, N: 2, AWidth: 2, ARows: 4, OutRows: 4}
	for _, c := range []struct {
		name   string
		change func(a *ProductArgs)
		want   string
	}{
		{"K", func(a *ProductArgs) { a.K = 0 }, "K is 0"},
		{"narrow rows", func(a *ProductArgs) { a.AWidth = 1 }, "AWidth is 1, want 2"},
		{"few output rows", func(a *ProductArgs) { a.OutRows = 3 }, "OutRows is 3, want 4"},
		{"short index", func(a *ProductArgs) { a.Index, a.IndexRows = at, 3 }, "IndexRows is 3"},
		{"products of segments", func(a *ProductArgs) { a.Products, a.Segments = 2, 2 }, "one of them must be 1"},
		{"activation", func(a *ProductArgs) { a.Activation = 3 }, "Activation is 3"},
		{"no output", func(a *ProductArgs) { a.Out = 0 }, "no array Out"},
	} {
		a := good
		c.change(&a)
		if err := b.k.Product(b.s, a); !errors.Is(err, ErrShape) || !contains(err, c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if err := b.k.product(b.s, "rows_gemm_narrow", ProductArgs{Rows: at, Capacity: 4, A: at, B: at, Out: at, K: 2, N: 257, AWidth: 2, OutRows: 4}); !errors.Is(err, ErrShape) {
		t.Errorf("257 outputs: %v", err)
	}
}

// TestProductRange: rows F … T-1 by themselves have the bits of all rows at
// once, gathered from A to the first rows of Out, or from the first rows of A
// scattered over Out; other rows stay.
func TestProductRange(t *testing.T) {
	b := newBench(t)
	const first, end, capacity, k, q = 70, 203, 210, 9, 2
	for _, kernel := range productKernels {
		for _, n := range []int{5, 84} {
			t.Run(fmt.Sprintf("%s/N=%d", kernel, n), func(t *testing.T) {
				b := b.with(t)
				r := newSource(uint64(n))
				a, weights, bias := r.floats(capacity*k), r.floats(q*k*n), r.floats(q*n)
				var index []int32 // each row once
				for range q {
					for i := range capacity {
						index = append(index, int32((i*11+3)%capacity))
					}
				}
				args := ProductArgs{
					Rows: b.ints("rows", end).Address(), Capacity: capacity, A: b.floats("A", a).Address(), B: b.floats("B", weights).Address(),
					Index: b.ints("index", index...).Address(), Bias: b.floats("bias", bias).Address(),
					K: k, N: n, AWidth: k, IndexRows: capacity, OutRows: capacity, Products: q,
				}
				run := func(name string, values []float32) []float32 {
					out := b.floats(name, values)
					args.Out = out.Address()
					b.must(b.k.product(b.s, kernel, args))
					return out.Values()
				}
				all := run("all", make([]float32, q*capacity*n))

				args.First, args.OutRows, args.Capacity = b.ints("first", first).Address(), end-first+1, end-first
				part := run("part", gputest.NaNs(q*args.OutRows*n))
				for p := range q {
					if !slices.Equal(part[p*args.OutRows*n:][:(end-first)*n], all[(p*capacity+first)*n:][:(end-first)*n]) {
						t.Fatalf("product %d: other bits than all rows at once", p)
					}
					if last := part[((p+1)*args.OutRows-1)*n:][:n]; last[0] == last[0] {
						t.Fatalf("product %d: the row behind the last was written", p)
					}
				}

				args.Products, args.OutRows, args.Bias, args.Accumulate = 1, capacity, 0, true
				args.Index, args.First, args.Rows = 0, 0, b.ints("few rows", end-first).Address()
				straight := run("straight", make([]float32, capacity*n))
				args.Index, args.First, args.Rows = b.ints("index", index...).Address(), b.ints("first", first).Address(), b.ints("rows", end).Address()
				args.Scatter = true
				ones := make([]float32, capacity*n)
				for i := range ones {
					ones[i] = 1
				}
				scattered, want := run("scattered", ones), slices.Clone(ones)
				for row := first; row < end; row++ {
					for j := range n {
						want[int(index[row])*n+j] = straight[(row-first)*n+j] + 1
					}
				}
				if !slices.Equal(scattered, want) {
					t.Error("scattered: other values")
				}
			})
		}
	}
}
