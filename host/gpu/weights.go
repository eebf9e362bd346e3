package gpu

import (
	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/nn"
)

// weights are the parameters of one stage: where they lie in the arenas, and
// copies as the products read them, which the optimizer keeps up to date.
type weights struct {
	e     *Engine
	index int
	nn.Stage
	forward  array // dense [K, units]; mdlstm [R, K, G·H]
	hhT, hhB array // mdlstm [R, D·H, G·H], [R, G·H, D·H]
}

// param and grad are the addresses of a tensor and its gradient, 0 when the
// stage has none of that name.
func (w *weights) param(suffix string) cuda.Address { return w.tensor(w.e.params, suffix) }
func (w *weights) grad(suffix string) cuda.Address  { return w.tensor(w.e.grads, suffix) }

func (w *weights) tensor(arena array, suffix string) cuda.Address {
	p, ok := w.e.model.StageParam(w.index, suffix)
	if !ok {
		return 0
	}
	return arena.address() + cuda.Address(4*p.Offset)
}

// takeWeights plans the packed copies of all stages.
func (e *Engine) takeWeights() {
	for i, st := range e.model.Stages {
		w := weights{e: e, index: i, Stage: st}
		switch st.Type {
		case nn.TypeDense:
			if fused(&e.model.Stages[i]) {
				break // reads its weights as they are
			}
			w.forward = e.block.take(st.In, st.Out)
		case nn.TypeMDLSTM:
			r, n, dh := len(st.Directions), st.Gates*st.Hidden, st.Axes*st.Hidden
			w.forward = e.block.take(r, st.In, n)
			w.hhT, w.hhB = e.block.take(r, dh, n), e.block.take(r, n, dh)
		}
		e.weights = append(e.weights, w)
	}
}

// packJobs make the copies.
func (w *weights) packJobs() []PackJob {
	switch w.Type {
	case nn.TypeDense:
		if w.forward.of == nil {
			return nil
		}
		return []PackJob{PackInputs(w.param("weight"), w.forward.address(), 1, w.Out, w.In)}
	case nn.TypeMDLSTM:
		r, n, ih, hh := len(w.Directions), w.Gates*w.Hidden, w.param("weight_ih"), w.param("weight_hh")
		return []PackJob{
			PackInputs(ih, w.forward.address(), r, n, w.In),
			PackForward(hh, w.hhT.address(), r, w.Axes, n, w.Hidden),
			PackBackward(hh, w.hhB.address(), r, w.Axes, n, w.Hidden),
		}
	}
	return nil
}

// loadJobs uploads the table of all packing, and the places where the optimizer
// puts the copies itself.
func (e *Engine) loadJobs() error {
	var list []PackJob
	for i := range e.weights {
		list = append(list, e.weights[i].packJobs()...)
	}
	table, jobs, err := PackTable(list)
	if err != nil {
		return err
	}
	e.packTable, err = e.c.Alloc("packing jobs", int64(8*len(table)))
	if err != nil {
		return err
	}
	e.packing = jobs
	e.packing.Table = e.packTable.Address()
	if err := cuda.Upload(e.packTable, 0, table); err != nil || len(list) == 0 {
		return err
	}
	places, at, err := Places(list, e.params.address(), e.model.Size())
	if err != nil {
		return err
	}
	e.packedAt = at
	if e.places, err = e.c.Alloc("packing places", int64(4*len(places))); err != nil {
		return err
	}
	return cuda.Upload(e.places, 0, places)
}

// pack queues the packing of parameters that the host has set.
func (e *Engine) pack() error {
	if e.packed {
		return nil
	}
	err := e.kernels.Pack(e.stream, e.packing)
	e.packed = err == nil
	return err
}
