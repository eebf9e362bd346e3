package task

import (
	"fmt"
	"math"
	"math/cmplx"
	"slices"
	"testing"

	"gonum.org/v1/gonum/dsp/fourier"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
)

func newFields(t *testing.T, size grid.Shape, batch int, anisotropic bool) *Fields {
	t.Helper()
	f, err := NewFields(Options{Size: size, Batch: batch, Channels: 1, Seed: 3}, anisotropic)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFieldsAreTheSum compares with the sum of the doc comment, mode by mode,
// from the same draws: no transform, no library.
func TestFieldsAreTheSum(t *testing.T) {
	for _, size := range []grid.Shape{{2}, {7}, {4, 4}, {5, 6}, {2, 3}, {3, 4, 5}, {2, 3, 2, 3}} {
		for _, anisotropic := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v anisotropic=%v", size, anisotropic), func(t *testing.T) {
				f := newFields(t, size, 1, anisotropic)
				got := batchOf(t, f, 4)

				var r stream
				r.start(3, "fields", 4)
				cells := size.Cells()
				want := make([]float64, cells)
				power := 0.0
				for mode := range cells {
					frequency := coordinates(mode, size)
					square, nonzero := 0.0, 0
					for d, n := range size {
						if 2*frequency[d] > n {
							frequency[d] -= n
						}
						square += float64(frequency[d] * frequency[d])
						if frequency[d] != 0 {
							nonzero++
						}
					}
					if nonzero == 0 || anisotropic && nonzero != 1 {
						continue
					}
					a, b := r.normals()
					power += 1 / (square * square)
					for cell := range cells {
						phase := 0.0
						for d, p := range coordinates(cell, size) {
							phase += float64(frequency[d]*p) / float64(size[d])
						}
						want[cell] += real(complex(a, b)*cmplx.Exp(complex(0, 2*math.Pi*phase))) / square
					}
				}
				for cell, v := range want {
					// float32 rounds values from 1 to 2 by 6e-8; measured 1.2e-7.
					if want := v / math.Sqrt(power); !within(float64(got.X[cell]), want, 1e-6) {
						t.Errorf("cell %v: got %v, want %v", coordinates(cell, size), got.X[cell], want)
					}
				}
			})
		}
	}
}

func TestFieldsTarget(t *testing.T) {
	f, err := NewFields(Options{Size: grid.Shape{3, 4}, Batch: 2, Channels: 2, Seed: 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	b := batchOf(t, f, 0)
	if b.Relevant != nil || b.Class != nil {
		t.Error("fields have relevant cells or classes")
	}
	for cell, y := range b.Y {
		want := float32(0)
		if cell%4 != 3 {
			want = b.X[(cell+1)*2]
		}
		if y != want {
			t.Errorf("cell %d: target %v, want %v", cell, y, want)
		}
	}
	if b.X[0] == b.X[1] {
		t.Error("both channels hold the same field")
	}
}

// TestFieldsSpectrum measures, over many samples, mean, variance and the slope
// of the power spectrum with a transform of its own.
func TestFieldsSpectrum(t *testing.T) {
	const n, batch, batches = 16, 50, 12
	f := newFields(t, grid.Shape{n, n}, batch, false)
	fft := fourier.NewCmplxFFT(n)
	power := map[int]float64{} // by |k|²
	count := map[int]float64{}
	variance := 0.0
	var b engine.Batch
	for step := range int64(batches) {
		if err := f.Batch(step, &b); err != nil {
			t.Fatal(err)
		}
		for s := range batch {
			modes := make([]complex128, n*n)
			mean := 0.0
			for i, v := range b.X[s*n*n:][:n*n] {
				modes[i] = complex(float64(v), 0)
				mean += float64(v) / (n * n)
				variance += float64(v) * float64(v) / (n * n * batch * batches)
			}
			if !within(mean, 0, 1e-6) {
				t.Fatalf("sample %d of step %d has the mean %v", s, step, mean)
			}
			for row := range n {
				fft.Coefficients(modes[row*n:][:n], modes[row*n:][:n])
			}
			column := make([]complex128, n)
			for col := range n {
				for row := range n {
					column[row] = modes[row*n+col]
				}
				fft.Coefficients(column, column)
				for row, v := range column {
					ky, kx := waveNumber(row, n), waveNumber(col, n)
					power[ky*ky+kx*kx] += real(v)*real(v) + imag(v)*imag(v)
					count[ky*ky+kx*kx]++
				}
			}
		}
	}
	if !within(variance, 1, 0.1) {
		t.Errorf("variance of a cell is %v, want 1", variance)
	}
	// A line through (log |k|, log power) by least squares.
	var sx, sy, sxx, sxy, m float64
	for square, p := range power {
		// At n/2 the waves k and -k are one, with twice the power.
		if square == 0 || square >= n*n/4 {
			continue
		}
		x, y := math.Log(float64(square))/2, math.Log(p/count[square])
		sx, sy, sxx, sxy, m = sx+x, sy+y, sxx+x*x, sxy+x*y, m+1
	}
	if slope := (m*sxy - sx*sy) / (m*sxx - sx*sx); !within(slope, -4, 0.1) {
		t.Errorf("power falls with |k|^%v, want |k|^-4", slope)
	}
}

// TestFieldsAnisotropic wants sums of functions of one coordinate each: mixed
// differences are 0, which isotropic fields do not have.
func TestFieldsAnisotropic(t *testing.T) {
	for _, size := range []grid.Shape{{6, 5}, {4, 3, 5}} {
		for _, anisotropic := range []bool{true, false} {
			f := newFields(t, size, 3, anisotropic)
			b := batchOf(t, f, 0)
			plane := size[len(size)-1]
			worst := 0.0
			for cell := 0; cell+plane+1 < size.Cells(); cell++ {
				at := coordinates(cell, size)
				if at[len(size)-1] == plane-1 || at[len(size)-2] == size[len(size)-2]-1 {
					continue
				}
				x := b.X[cell:]
				worst = max(worst, math.Abs(float64(x[0]-x[1]-x[plane]+x[plane+1])))
			}
			if small := worst < 1e-5; small != anisotropic {
				t.Errorf("%v anisotropic=%v: the largest mixed difference is %v", size, anisotropic, worst)
			}
		}
	}
}

func TestNewFieldsRefuses(t *testing.T) {
	for name, size := range map[string]grid.Shape{"no axes": {}, "one cell": {1}, "a flat axis": {8, 1}, "too many axes": slices.Repeat(grid.Shape{2}, 9)} {
		t.Run(name, func(t *testing.T) {
			_, err := NewFields(Options{Size: size, Batch: 1, Channels: 1}, false)
			checkError(t, err, "--size")
		})
	}
}
