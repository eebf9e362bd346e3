package cpu

import (
	"math"
	"math/rand/v2"
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
				p.rows(segments, m, w, n+3, n, out)
				for i, v := range want {
					if math.Abs(float64(out[i])-v) > 1e-5 {
						t.Fatalf("%s, %d × %d: rows[%d] = %v, want %v", name, m, n, i, out[i], v)
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

// productsOf lists every implementation that this processor can run.
func productsOf() map[string]products {
	all := map[string]products{
		"gonum":        &blasProducts{blas: gonum.Implementation{}, panels: true},
		"gonum, uncut": &blasProducts{blas: gonum.Implementation{}},
	}
	for _, set := range instructionSets() {
		all[set] = newTiledProducts(set)
	}
	return all
}
