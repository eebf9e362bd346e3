package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"
)

// TestProducts compares gathered products, at and around gonum's panels, with
// plain sums in float64.
func TestProducts(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = r.Float32() - 0.5
		}
		return x
	}
	for name, p := range productsOf() {
		for _, m := range []int{1, 2, 3, 4, 5, 6, 7, 8, 13, 63, 64, 65, 130} {
			for _, n := range []int{1, 7, 8, 16, 24, 33, 80, 191, 192, 193, 400} {
				const rows = 40
				index := make([]int32, m)
				for i := range index {
					index[i] = int32(r.IntN(rows))
				}
				a, b := random(rows*5), random(rows*3)
				segments := []segment{
					{data: a, stride: 5, offset: 1, width: 4, index: index},
					{data: b, stride: 3, width: 1, index: index},
					{ones: true, width: 1},
				}
				left := func(i, k int) float64 {
					switch {
					case k < 4:
						return float64(a[int(index[i])*5+1+k])
					case k == 4:
						return float64(b[int(index[i])*3])
					}
					return 1
				}
				w, out := random(6*(n+3)), random(m*n)
				want := make([]float64, m*n)
				for i := range m {
					for j := range n {
						for k := range 6 {
							want[i*n+j] += left(i, k) * float64(w[k*(n+3)+j])
						}
					}
				}
				stacked := p.factor(9, n+3) // with other rows before and behind
				for k := range 6 {
					stacked.setRow(2+k, 0, w[k*(n+3):(k+1)*(n+3)])
				}
				for _, f := range []panels{rowMajor(w, n+3), stacked.from(2)} {
					clear(out)
					p.rows(segments, m, f, n, out)
					for i, v := range want {
						if math.Abs(float64(out[i])-v) > 1e-5 {
							t.Fatalf("%s, %d × %d, panels of %d: rows[%d] = %v, want %v", name, m, n, f.wide, i, out[i], v)
						}
					}
				}
				z, sums := random(m*n), make([]float32, 6*n)
				p.outer(segments, m, z, n, n, sums)
				for k := range 6 {
					for j := range n {
						var v float64
						for i := range m {
							v += left(i, k) * float64(z[i*n+j])
						}
						if math.Abs(float64(sums[k*n+j])-v) > 1e-4 {
							t.Fatalf("%s, %d × %d: outer[%d, %d] = %v, want %v", name, m, n, k, j, sums[k*n+j], v)
						}
					}
				}
			}
		}
	}
}

// TestPanels fills factors by rows and by columns, in panels of every width.
func TestPanels(t *testing.T) {
	const rows, columns = 5, 11
	for wide := 1; wide <= columns+1; wide++ {
		byRow, byColumn := newPanels(rows, columns, wide), newPanels(rows, columns, wide)
		value := func(i, j int) float32 { return float32(100*i + j + 1) }
		for i := range rows {
			for j := 0; j < columns; j += 4 { // across the panels' borders
				var values []float32
				for k := j; k < min(j+4, columns); k++ {
					values = append(values, value(i, k))
				}
				byRow.setRow(i, j, values)
			}
		}
		for j := range columns {
			byColumn.setColumn(j, 0, []float32{value(0, j), value(1, j)})
			byColumn.setColumn(j, 2, []float32{value(2, j), value(3, j), value(4, j)})
		}
		if !slices.Equal(byRow.data, byColumn.data) || slices.Contains(byRow.data, 0) {
			t.Errorf("panels of %d: by rows %v, by columns %v", wide, byRow.data, byColumn.data)
		}
		for first := range rows {
			part := byRow.from(first)
			for j := range columns {
				at, stride := part.column(j)
				for i := first; i < rows; i++ {
					if got := part.data[at+(i-first)*stride]; got != value(i, j) {
						t.Errorf("panels of %d, from row %d: [%d, %d] = %v, want %v", wide, first, i, j, got, value(i, j))
					}
				}
			}
		}
	}
}

func TestColumnsOf(t *testing.T) {
	list := func() []segment { return []segment{{width: 3, offset: 10}, {width: 5}, {ones: true, width: 1}} }
	const all = 9
	for from := range all {
		for to := from; to <= all; to++ {
			var got []int
			for _, s := range columnsOf(list(), from, to) {
				for c := range s.width {
					got = append(got, 100*s.offset+100*c)
					if s.ones {
						got[len(got)-1] = -1
					}
				}
			}
			want := []int{1000, 1100, 1200, 0, 100, 200, 300, 400, -1}[from:to]
			if !slices.Equal(got, want) {
				t.Errorf("columns %d … %d: got %v, want %v", from, to, got, want)
			}
		}
	}
}

func TestEven(t *testing.T) {
	for _, c := range []struct{ n, most, unit, size, shares int }{
		{1, 128, 1, 1, 1}, {128, 128, 1, 128, 1}, {129, 128, 1, 65, 2}, {258, 128, 1, 86, 3},
		{512, 512, 32, 512, 1}, {640, 512, 32, 320, 2}, {1280, 512, 32, 448, 3}, {8, 512, 32, 32, 1},
	} {
		if size, shares := even(c.n, c.most, c.unit); size != c.size || shares != c.shares {
			t.Errorf("even(%d, %d, %d) = %d, %d, want %d, %d", c.n, c.most, c.unit, size, shares, c.size, c.shares)
		}
	}
}

// productsOf lists every implementation that this processor can run.
func productsOf() map[string]products {
	all := map[string]products{
		"gonum":        &blasProducts{blas: gonum.Implementation{}, serial: true},
		"gonum, uncut": &blasProducts{blas: gonum.Implementation{}},
	}
	for _, set := range instructionSets() {
		all[set] = newTiledProducts(set)
	}
	return all
}
