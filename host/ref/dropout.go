package ref

import "mdlstm-gpu/host/nn"

// dropout says which masks multiply the inputs of one layer in one run.
type dropout struct {
	on        bool
	rate      float64
	seed      uint64
	step      int64
	layer     int
	sample    int64 // number in the run
	firstCell int   // of the run in its sample: views
}

// masks are the factors of all values of a field, or nil when there are none.
func (d dropout) masks(in field) []float64 {
	if !d.on || d.rate == 0 {
		return nil
	}
	key := nn.DropKey(d.seed, d.step, d.layer)
	mask := make([]float64, len(in.v))
	row := make([]float32, in.k)
	for cell := range cells(in.shape) {
		nn.DropMask(key, d.sample, d.firstCell+cell, d.rate, row)
		for ch, factor := range row {
			mask[cell*in.k+ch] = float64(factor)
		}
	}
	return mask
}
