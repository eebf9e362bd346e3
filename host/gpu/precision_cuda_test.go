//go:build cuda && cgo

package gpu

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// tensorDevice is a device with TF32 tensor cores; the emulator becomes one.
func tensorDevice(t testing.TB) *cuda.Context {
	t.Helper()
	if t, ok := t.(*testing.T); ok {
		t.Setenv("MDLSTM_EMU_ARCH", "80")
	}
	c := gputest.Open(t)
	if have := c.Device().Capability; have < tensorCapability {
		t.Skipf("%s has compute capability %d, tensor cores begin with %d", c.Device().Name, have, tensorCapability)
	}
	return c
}

// tensorShapes are a few samples of D axes.
func tensorShapes(axes int) []grid.Shape {
	if axes == 2 {
		return []grid.Shape{{3, 4}, {1, 1}, {4, 2}}
	}
	return []grid.Shape{{2, 2, 2}, {1, 1, 1}}
}

// TestRecurrentPrecision runs every cell on tensor cores, with hidden sizes that
// fill tiles and that do not, whose rows are aligned and are not.
func TestRecurrentPrecision(t *testing.T) {
	c := tensorDevice(t)
	k := newRecurrentKernels(t, c)
	all := map[Precision]map[int][]int{TF32x3: {2: {65, 128}, 3: {tensorHidden}}, TF32: {2: {tensorHidden, 100}, 3: {65}}}
	for _, precision := range []Precision{TF32x3, TF32} {
		sizes := all[precision]
		if testing.Short() {
			sizes = map[int][]int{2: {65}}
		}
		for _, cell := range nn.Cells {
			for axes := 2; axes <= 3; axes++ {
				for _, hidden := range sizes[axes] {
					t.Run(fmt.Sprintf("%s/%s/D=%d/H=%d", precision, cell, axes, hidden), func(t *testing.T) {
						r := newRecurrentRun(t, c, k, newTruth(t, recurrentCase{
							cell: cell, shapes: tensorShapes(axes), directions: several(axes)[:2], inputs: 2, hidden: hidden,
							forgetBias: 0.3, clip: 0.05, moreRows: 3, moreWavefronts: 1, moreSamples: 1, precision: precision,
						}))
						r.run()
						r.check()
					})
				}
			}
		}
	}
}

// TestRecurrentPrecisionRefused: what is right for a precision is wrong for the
// next better one.
func TestRecurrentPrecisionRefused(t *testing.T) {
	c := tensorDevice(t)
	k := newRecurrentKernels(t, c)
	r := newRecurrentRun(t, c, k, newTruth(t, recurrentCase{
		cell: nn.CellPlain, shapes: tensorShapes(2), directions: []string{"++"}, inputs: 2, hidden: tensorHidden, precision: TF32,
	}))
	r.run()
	if worst, err := r.compare(recurrentTolerances[TF32x3]); err == nil {
		t.Errorf("TF32 passes for three times TF32: %.2f of the tolerance", worst)
	}
}

// TestRecurrentPrecisionSameBits: as TestRecurrentSameBits, with several tiles of rows.
func TestRecurrentPrecisionSameBits(t *testing.T) {
	var first map[string][]float32
	base := recurrentCase{
		cell: nn.CellGraves, shapes: tensorMany, directions: []string{"+-"}, inputs: 1, hidden: 65, clip: 0.05, precision: TF32x3,
	}
	roomy := base
	roomy.moreRows, roomy.moreWavefronts, roomy.moreSamples, roomy.moreWave = 500, 2, 5, 500
	for i, run := range []recurrentCase{base, base, roomy} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Setenv("MDLSTM_EMU_SEED", fmt.Sprint(i))
			c := tensorDevice(t)
			r := newRecurrentRun(t, c, newRecurrentKernels(t, c), newTruth(t, run))
			r.run()
			r.check()
			got := r.bits()
			if first == nil {
				first = got
			}
			for name, want := range first {
				if !sameBits(got[name], want) {
					t.Errorf("%s has other bits", name)
				}
			}
		})
	}
}

// tensorMany has wavefronts of more than 64 rows.
var tensorMany = func() (shapes []grid.Shape) {
	for range 24 {
		shapes = append(shapes, grid.Shape{3, 3})
	}
	return shapes
}()

func sameBits(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return true
}

// productTolerance is what a product of n normal numbers each may be off. The
// float32 figure is TestProduct's; measured are at most 0.4 of it with three
// terms, and 0.9 of TF32's.
func productTolerance(p Precision, n int) float64 {
	if p == TF32 {
		return 2e-3 * math.Sqrt(float64(n)+1)
	}
	return 2e-6 * math.Sqrt(float64(n)+1)
}

// TestProductPrecision: products on tensor cores, with edges of tiles every way.
func TestProductPrecision(t *testing.T) {
	b := newTensorBench(t)
	for _, c := range []productCase{
		{rows: 1, capacity: 4, k: 32, n: 64, products: 1, segments: 1, width: 32},
		{rows: 65, capacity: 130, k: 47, n: 129, products: 2, segments: 1, width: 50, gathered: true, shared: true, bias: true},
		{rows: 70, capacity: 70, k: 36, n: 70, products: 1, segments: 3, width: 36, gathered: true},
		{rows: 33, capacity: 40, k: 33, n: 131, products: 2, segments: 1, width: 33, accumulate: true},
		{rows: 70, capacity: 70, k: 36, n: 132, products: 1, segments: 3, width: 40, gathered: true, accumulate: true, bias: true},
		{rows: 0, capacity: 25, k: 40, n: 64, products: 1, segments: 1, width: 40},
	} {
		for _, p := range []Precision{TF32x3, TF32} {
			t.Run(fmt.Sprintf("%v,%s", c, p), func(t *testing.T) {
				c.precision = p
				got, want := runProduct(b.with(t), c, "")
				sameOrNaN(b.with(t), string(p), got, want, productTolerance(p, c.k*c.segments))
			})
		}
	}
	for _, c := range []struct {
		k, n int
		p    Precision
		want string
	}{
		{1, 640, TF32, "rows_gemm_128"}, {31, 640, TF32x3, "rows_gemm_128"}, {32, 640, TF32x3, "rows_gemm_tf32x3"}, {640, 63, TF32, "rows_gemm_64"},
		{640, 64, TF32, "rows_gemm_tf32"}, {640, 64, Float32, "rows_gemm_64"},
	} {
		if got := (ProductArgs{Capacity: 1 << 18, K: c.k, N: c.n, Products: 4, Precision: c.p}).Kernel(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	x := b.floats("x", make([]float32, 64)).Address()
	err := b.k.Product(b.s, ProductArgs{Rows: x, Capacity: 4, A: x, B: x, Out: x, K: 32, N: 64, AWidth: 32, ARows: 4, OutRows: 4, Activation: Tanh, Precision: TF32})
	if !errors.Is(err, ErrShape) {
		t.Errorf("an activation: %v", err)
	}
}

func newTensorBench(t *testing.T) *bench {
	t.Helper()
	tensorDevice(t)
	return newBench(t)
}

// TestOuterPrecision: weight gradients on tensor cores, with edges of tiles and
// chains either way, and in a plan with more room.
func TestOuterPrecision(t *testing.T) {
	b := newTensorBench(t)
	for _, c := range []outerCase{
		{rows: 0, capacity: 5, directions: 1, k: 3, hidden: 64, axes: 2, n: 20, bias: true, gathered: true},
		{rows: 65, capacity: 70, directions: 2, k: 3, hidden: 33, axes: 2, n: 130, bias: true, gathered: true},
		{rows: 300, capacity: 305, directions: 1, k: 63, n: 129, bias: true},
		{rows: 100, capacity: 120, directions: 2, k: 36, hidden: 64, axes: 2, n: 132, bias: true, gathered: true},
		{rows: 512, capacity: 512, directions: 1, k: 2, n: 3, bias: true, most: 1},
		{rows: 1040, capacity: 1040, directions: 1, k: 2, n: 3, bias: true, most: 1},
	} {
		for _, p := range []Precision{TF32x3, TF32} {
			t.Run(fmt.Sprintf("%v,%s", c, p), func(t *testing.T) {
				b := b.with(t)
				c.precision, c.room = p, 0
				got, want := runOuter(b, c, nil)
				for i, name := range []string{"weight_ih", "weight_hh", "bias"} {
					near(b, name, got[i], want[i], productTolerance(p, c.rows), 1e-6)
				}
				c.room = 3000
				again, _ := runOuter(b, c, nil)
				for i := range got {
					if !sameBits(got[i], again[i]) {
						t.Errorf("array %d has other bits in a plan with more room", i)
					}
				}
			})
		}
	}
}

// TestTerms: three terms pass for float32, and no fewer do; one passes for TF32.
func TestTerms(t *testing.T) {
	b := newTensorBench(t)
	ptx, err := os.ReadFile("../../kernels/testdata/mma.80.ptx")
	b.must(err)
	m, err := b.c.Load("mma", string(ptx))
	b.must(err)
	defer func() { b.must(m.Close()) }()
	const rows, columns, k = 64, 128, 256
	r := newSource(1)
	left, right := r.floats(rows*k), r.floats(k*columns)
	want := make([]float64, rows*columns)
	for i := range want {
		for j := range k {
			want[i] += float64(left[i/columns*k+j]) * float64(right[j*columns+i%columns])
		}
	}
	x, y := b.floats("a", left), b.floats("b", right)
	passes := map[int]map[Precision]bool{1: {TF32: true}, 2: {TF32: true}, 3: {TF32x3: true, TF32: true}}
	for terms, passes := range passes {
		out := b.floats("out", gputest.NaNs(rows*columns))
		f, err := m.Function(fmt.Sprintf("terms_%d", terms), "pppi")
		b.must(err)
		b.must(f.Launch(b.s, cuda.Dim{X: 1}, cuda.Dim{X: 128}, mmaShared(rows, columns, true), x.Argument(), y.Argument(), out.Argument(), cuda.Int(k)))
		got := out.Values()
		for _, p := range []Precision{TF32x3, TF32} {
			share, err := gputest.Near("product", got, want, productTolerance(p, k), 0)
			if (err == nil) != passes[p] {
				t.Errorf("%d terms: %.2f of the tolerance of %s", terms, share, p)
			}
			t.Logf("%d terms: %.3g of the tolerance of %s", terms, share, p)
		}
	}
}

// errorsOf is how far a precision is from float64: outputs and all gradients of
// a model of two layers, largest and root mean square, of the largest and of the
// root mean square.
type errorsOf struct{ outputs, gradients [2]float64 }

func (e errorsOf) String() string {
	return fmt.Sprintf("%.1e | %.1e | %.1e | %.1e", e.outputs[0], e.outputs[1], e.gradients[0], e.gradients[1])
}

// relative is the error of got, [largest, root mean square].
func relative(got []float32, want []float64) [2]float64 {
	var most, top, sum, all float64
	for i, w := range want {
		d := float64(got[i]) - w
		most, top = max(most, math.Abs(d)), max(top, math.Abs(w))
		sum, all = sum+d*d, all+w*w
	}
	return [2]float64{most / top, math.Sqrt(sum / all)}
}

// precisionLimits are what the largest errors may be. TF32 must also be worse
// than the one before: none is computed by the kernels of another.
var precisionLimits = map[Precision]float64{Float32: 1e-5, TF32x3: 1e-5, TF32: 2e-2}

// TestPrecisionErrors measures the whole engine, with every kernel of a precision:
// the second layer's input projection is large enough for tensor cores.
// kernels/README.md has the table that it logs with MDLSTM_CONFORMANCE=all.
func TestPrecisionErrors(t *testing.T) {
	c := tensorDevice(t)
	hidden, shape, cells := 64, grid.Shape{3, 4}, []string{nn.CellPlain}
	if os.Getenv("MDLSTM_CONFORMANCE") == "all" {
		hidden, shape, cells = 128, grid.Shape{8, 8}, nn.Cells
	}
	for _, cell := range cells {
		layer := nn.Layer{Type: nn.TypeMDLSTM, Cell: cell, Hidden: hidden, Directions: []string{"++", "--"}}
		m, err := nn.New(nn.Config{
			Input: 3, Layers: []nn.Layer{layer, layer}, Head: nn.Head{Units: 2, Activation: nn.Linear}, Loss: nn.MSE,
		})
		if err != nil {
			t.Fatal(err)
		}
		var before errorsOf
		for i, p := range Precisions[:3] {
			e, err := New(m, Options{Context: c, Precision: p})
			if err != nil {
				t.Fatal(err)
			}
			got := measure(t, e, shape)
			names := e.Info().Settings["layers.1 kernels"]
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			t.Logf("| %s | %s | %v |", cell, p, got)
			if worst := max(got.outputs[0], got.gradients[0]); worst > precisionLimits[p] {
				t.Errorf("%s, %s: off by %.2g, at most %g", cell, p, worst, precisionLimits[p])
			}
			if p == TF32 && got.gradients[0] < 10*before.gradients[0] {
				t.Errorf("%s: %s is no less exact than the one before: %v, %v", cell, p, got, before)
			}
			if on := strings.Contains(names, "tf32"); on != (i > 0) || p == TF32 && strings.Contains(names, "tf32x3") {
				t.Errorf("%s, %s: kernels %s", cell, p, names)
			}
			before = got
		}
	}
}

// measure computes outputs and gradients of a batch on an engine and in float64.
func measure(t *testing.T, e *Engine, shape grid.Shape) (r errorsOf) {
	t.Helper()
	m := e.Model()
	params := m.Init(3)
	if err := e.SetParameters(params); err != nil {
		t.Fatal(err)
	}
	b := randomBatch(t, m, 7, shape, shape)
	p := planFor(t, e, engine.Capacity{}, b.Samples...)
	_, grads := gradientsOf(t, e, p, b)
	outputs := make([]float32, 2*shape.Cells()*m.Units())
	if _, err := p.Predict(outputs); err != nil {
		t.Fatal(err)
	}

	values := ref.Params{}
	for _, x := range m.Params {
		v := make([]float64, x.Size())
		for i := range v {
			v[i] = float64(params[x.Offset+i])
		}
		values[x.Name] = v
	}
	batch := ref.Batch{}
	k, units := m.Config.Input, m.Units()
	for i := range 2 {
		s := ref.Sample{Shape: shape}
		for _, v := range b.X[i*shape.Cells()*k:][:shape.Cells()*k] {
			s.X = append(s.X, float64(v))
		}
		for _, v := range b.Y[i*shape.Cells()*units:][:shape.Cells()*units] {
			s.Y = append(s.Y, float64(v))
		}
		batch.Samples = append(batch.Samples, s)
	}
	res, want, err := ref.Gradients(m.Config, values, batch, ref.Options{ClipErrors: true})
	if err != nil {
		t.Fatal(err)
	}
	var flat []float64
	for _, x := range m.Params {
		flat = append(flat, want[x.Name]...)
	}
	r.gradients = relative(grads, flat)
	r.outputs = relative(outputs, append(append([]float64(nil), res.Outputs[0]...), res.Outputs[1]...))
	return r
}
