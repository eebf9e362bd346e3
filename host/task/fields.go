package task

import (
	"math"
	"strconv"

	"gonum.org/v1/gonum/dsp/fourier"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
)

// Fields is the seed's second task: Gaussian random fields, smooth on every
// scale, whose next cell along the last axis the model shall foretell. With N
// cells of coordinates p, axes of n_d cells, all n_d ≥ 2, and the integer wave
// numbers k_d of a discrete Fourier transform, -n_d/2 < k_d ≤ n_d/2:
//
//	x(p) = s · Re Σ_k |k|^-2 · (a_k + i·b_k) · exp(2πi Σ_d k_d p_d / n_d)
//
// where a_k, b_k are standard normal, drawn in the row-major order of the
// frequencies 0, 1, …, -1, channel after channel (only those of modes that
// count), and |k| is the Euclidean length. So the power spectrum falls with
// |k|^-4. Mode 0 is left out: each field has the mean 0. Anisotropic fields have
// only the modes with all wave numbers but one equal to 0, sums of functions of
// one coordinate each.
//
// s = (Σ_k |k|^-4)^-1/2 makes the expected variance of every cell 1. The seed
// does not normalise, and its values shrink as the grid grows. s is a constant
// of the size, so the fields stay Gaussian and differ in strength.
//
// The target is channel 0 moved by one cell against the last axis, with 0 at its
// end, as in the seed. Channels are independent fields. Values have both signs,
// so the head is linear.
type Fields struct {
	generator
	anisotropic bool

	// Made for the first sample, for until then nobody has said that there is
	// memory for a batch.
	amplitude  []float64    // [cells] s·|k|^-2, 0 for modes left out
	modes      []complex128 // [cells] scratch: one channel of one sample
	line       []complex128 // scratch: one line along an axis
	transforms []*fourier.CmplxFFT
}

var _ Divisible = (*Fields)(nil)

// NewFields checks the settings. Errors name the flag to change.
func NewFields(o Options, anisotropic bool) (*Fields, error) {
	g, err := newGenerator("fields", o, 1, 2)
	if err != nil {
		return nil, err
	}
	return &Fields{generator: g, anisotropic: anisotropic}, nil
}

// tables makes what every sample needs.
func (f *Fields) tables() {
	if f.amplitude != nil {
		return
	}
	f.amplitude, f.modes = make([]float64, f.cells), make([]complex128, f.cells)
	longest := 0
	for _, n := range f.options.Size {
		f.transforms = append(f.transforms, fourier.NewCmplxFFT(n))
		longest = max(longest, n)
	}
	f.line = make([]complex128, longest)
	power := 0.0
	for i := range f.amplitude {
		square, nonzero := 0, 0
		rest := i
		for d := len(f.options.Size) - 1; d >= 0; d-- {
			k := waveNumber(rest%f.options.Size[d], f.options.Size[d])
			rest /= f.options.Size[d]
			square += k * k
			if k != 0 {
				nonzero++
			}
		}
		if nonzero == 0 || f.anisotropic && nonzero > 1 {
			continue
		}
		f.amplitude[i] = 1 / float64(square)
		power += f.amplitude[i] * f.amplitude[i]
	}
	for i := range f.amplitude {
		f.amplitude[i] /= math.Sqrt(power)
	}
}

// waveNumber is that of coefficient i of a transform of n: 0, 1, …, -2, -1.
func waveNumber(i, n int) int {
	if i > n/2 {
		return i - n
	}
	return i
}

// Spec is a linear head of one unit with loss mse.
func (f *Fields) Spec() Spec {
	return Spec{
		Axes: len(f.options.Size), Input: f.options.Channels,
		Units: 1, Activation: "linear", Loss: "mse",
	}
}

// Settings returns size, batch, channels, seed and anisotropic.
func (f *Fields) Settings() map[string]string {
	settings := f.generator.Settings()
	settings["anisotropic"] = strconv.FormatBool(f.anisotropic)
	return settings
}

// Hash is the hash of name and settings.
func (f *Fields) Hash() string { return hashSettings(f.name, f.Settings()) }

// Check says whether a model fits.
func (f *Fields) Check(m *nn.Model) error { return f.check(fitOf(m), f.Spec()) }

// Batch makes batch t; it returns no error.
func (f *Fields) Batch(t int64, dst *engine.Batch) error { return f.BatchPart(t, Part{}, dst) }

// BatchPart makes a part of batch t; it returns no error.
func (f *Fields) BatchPart(t int64, p Part, dst *engine.Batch) error {
	f.fillPart(dst, t, p, f.draw)
	dst.Relevant = nil
	return nil
}

// Fork shares nothing: it makes the tables and scratch of a sample for itself,
// 40 bytes a cell.
func (f *Fields) Fork() Divisible {
	return &Fields{generator: f.generator, anisotropic: f.anisotropic}
}

// Example makes sample -1; it returns no error.
func (f *Fields) Example(dst *engine.Batch) error {
	f.fill(dst, -1, 1, f.draw)
	dst.Relevant = nil
	return nil
}

func (f *Fields) draw(dst *engine.Batch, b int) {
	f.tables()
	size, channels := f.options.Size, f.options.Channels
	x := dst.X[b*f.cells*channels:][:f.cells*channels]
	for k := range channels {
		for i, amplitude := range f.amplitude {
			f.modes[i] = 0
			if amplitude != 0 {
				re, im := f.random.normals()
				f.modes[i] = complex(amplitude*re, amplitude*im)
			}
		}
		f.transform()
		for i, v := range f.modes {
			x[i*channels+k] = float32(real(v))
		}
	}
	roll(dst.Y[b*f.cells:][:f.cells], x, channels, size[len(size)-1], false)
}

// transform turns f.modes into the field, axis after axis.
func (f *Fields) transform() {
	stride := f.cells
	for d, n := range f.options.Size {
		stride /= n
		line := f.line[:n]
		for start := range f.cells {
			if start/stride%n != 0 {
				continue // not the first cell of a line along d
			}
			for j := range line {
				line[j] = f.modes[start+j*stride]
			}
			f.transforms[d].Sequence(line, line)
			for j, v := range line {
				f.modes[start+j*stride] = v
			}
		}
	}
}
