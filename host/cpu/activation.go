package cpu

// tanh is x·p(x²)/q(x²) on [-tanhLimit, tanhLimit], a minimax fit of its own
// (iteratively reweighted least squares in float64, then rounded). Its largest
// absolute error over all float32, evaluated in float32, is 3.5e-7, and its
// value never exceeds 1; TestTanhError measures both. math.Tanh is 4 to 6 times
// slower, and no vector unit has one.
const (
	tanhLimit = 7.9

	tanhP1 = 0.13444457948207855
	tanhP2 = 0.0035717033315449953
	tanhP3 = 2.1903522792854346e-05
	tanhP4 = 1.525979520522469e-08
	tanhQ1 = 0.4677777886390686
	tanhQ2 = 0.02616444043815136
	tanhQ3 = 0.00034117544419132173
	tanhQ4 = 8.53060157623986e-07
)

// tanh32 keeps NaN and saturates at ±tanh(tanhLimit), 3e-7 from ±1.
func tanh32(x float32) float32 {
	if x > tanhLimit {
		x = tanhLimit
	} else if x < -tanhLimit {
		x = -tanhLimit
	}
	u := x * x
	p := ((((tanhP4*u+tanhP3)*u+tanhP2)*u + tanhP1) * u) + 1
	q := ((((tanhQ4*u+tanhQ3)*u+tanhQ2)*u + tanhQ1) * u) + 1
	return x * p / q
}

// sigmoid32 is the logistic function, error at most 2e-7; NaN stays NaN.
func sigmoid32(x float32) float32 { return 0.5*tanh32(0.5*x) + 0.5 }

// table holds four constants a column, so that every gate, with its bias, norm
// and forget bias, is one pass of out = scale·tanh(weight·z + shift) + offset:
// a sigmoid is that with weight, scale and offset ½.
type table struct {
	weight, shift, scale, offset []float32 // [columns]
}

func newTable(columns int) table {
	all := make([]float32, 4*columns)
	return table{all[:columns], all[columns : 2*columns], all[2*columns : 3*columns], all[3*columns:]}
}

// columns returns the part of t for columns from … to-1.
func (t table) columns(from, to int) table {
	return table{t.weight[from:to], t.shift[from:to], t.scale[from:to], t.offset[from:to]}
}

// setSigmoid makes column j compute σ(weight·z + shift), setTanh tanh of it.
func (t table) setSigmoid(j int, weight, shift float32) {
	t.weight[j], t.shift[j], t.scale[j], t.offset[j] = 0.5*weight, 0.5*shift, 0.5, 0.5
}

func (t table) setTanh(j int, weight, shift float32) {
	t.weight[j], t.shift[j], t.scale[j], t.offset[j] = weight, shift, 1, 0
}
