package gpu

import (
	"fmt"
	"slices"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
)

// graphKey tells the recorded graphs of a plan apart: kernels differ with the
// variant.
type graphKey struct{ name, variant string }

// The graphs of a plan.
const (
	graphGradients = "gradients" // forward, loss, backward
	graphPredict   = "predict"
)

// launch queues what record queues as one graph, which is recorded at its first
// use. What record queues may depend on the plan alone.
func (p *plan) launch(name string, record func(*cuda.Stream) error) error {
	key := graphKey{name, p.variant}
	if p.graphs[key] == nil {
		g, err := p.e.c.Capture(name, p.e.stream, record)
		if err != nil {
			return err
		}
		p.graphs[key] = g
	}
	return p.graphs[key].Launch(p.e.stream)
}

// choose sets where layers behind a dropout read.
func (p *plan) choose(train bool) {
	for _, d := range p.dropouts {
		d.choose(train)
	}
}

func (p *plan) forward(q *cuda.Stream, train bool) error {
	p.choose(train)
	for _, s := range p.stages {
		if err := s.forward(q, train); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) backward(q *cuda.Stream) error {
	p.choose(true)
	for _, s := range slices.Backward(p.stages) {
		if err := s.backward(q); err != nil {
			return err
		}
	}
	return p.e.kernels.Reduce(q, p.reducing[p.variant])
}

// send brings the scalars of a training pass to the device, where they differ
// from those sent last. Every pass waits for its loss, so the host's copy is
// free again.
func (p *plan) send(scale float32, seed uint64, step int64) error {
	part(p.loss.scale, cuda.Slice[float32](p.pinned))[0] = scale
	for _, d := range p.dropouts {
		d.setKey(p.words, seed, step, p.first)
	}
	if slices.Equal(p.words, p.sent) {
		return nil
	}
	p.sent = nil
	if err := p.e.stream.Upload(p.scalars.memory, 0, p.pinned, 0, p.scalars.bytes()); err != nil {
		return err
	}
	p.sent = slices.Clone(p.words)
	return nil
}

// prepare readies the stream for a pass over the loaded batch.
func (p *plan) prepare() error {
	if err := p.e.pack(); err != nil {
		return err
	}
	return p.intake.take(p.e.stream)
}

// Gradients adds the gradients of the loaded batch. It returns when the loss is
// known; backward may still run. See [engine.Plan].
func (p *plan) Gradients(a engine.Pass) (engine.Loss, error) {
	if err := p.ready(); err != nil {
		return engine.Loss{}, err
	}
	if !p.loss.targets {
		return engine.Loss{}, fmt.Errorf("%w: the batch has no targets to learn from", engine.ErrData)
	}
	if a.Normaliser == 0 {
		a.Normaliser = p.loss.total.Weight
	}
	scale := 0.0 // a batch in which no cell counts has no gradient
	if a.Normaliser != 0 {
		scale = 1 / a.Normaliser
	}
	if err := p.prepare(); err != nil {
		return engine.Loss{}, err
	}
	if err := p.send(float32(scale), a.Seed, a.Step); err != nil {
		return engine.Loss{}, err
	}
	if err := p.loadReductions(); err != nil {
		return engine.Loss{}, err
	}
	p.train = true
	err := p.launch(graphGradients, func(q *cuda.Stream) error {
		if err := p.forward(q, true); err != nil {
			return err
		}
		if err := p.loss.run(q, true); err != nil {
			return err
		}
		if err := p.measured.RecordEach(q); err != nil {
			return err
		}
		return p.backward(q)
	})
	if err == nil {
		err = p.measured.Wait()
	}
	if err != nil {
		return engine.Loss{}, err
	}
	return p.loss.measured(), nil
}

// Predict runs forward. See [engine.Plan].
func (p *plan) Predict(out []float32) (engine.Loss, error) {
	if err := p.ready(); err != nil {
		return engine.Loss{}, err
	}
	rows, units := p.head.sched.Rows, p.head.width
	if want := rows * units; out != nil && len(out) != want {
		return engine.Loss{}, fmt.Errorf("%w: room for %d outputs, want %d (%d cells of %d units)", engine.ErrShape, len(out), want, rows, units)
	}
	if err := p.prepare(); err != nil {
		return engine.Loss{}, err
	}
	p.train = false
	err := p.launch(graphPredict, func(q *cuda.Stream) error {
		if err := p.forward(q, false); err != nil {
			return err
		}
		return p.loss.run(q, false)
	})
	if err == nil {
		err = p.e.stream.Wait()
	}
	if err != nil {
		return engine.Loss{}, err
	}
	if out != nil {
		if err := p.outputs(out); err != nil {
			return engine.Loss{}, err
		}
	}
	return p.loss.measured(), nil
}

// outputs copies the head's outputs into packed order.
func (p *plan) outputs(out []float32) error {
	units := p.head.width
	rows := make([]float32, len(out))
	if err := p.head.data.download(rows, 0); err != nil {
		return err
	}
	for r := range p.head.sched.Rows {
		copy(out[int(p.head.sched.Cell[r])*units:][:units], rows[r*units:])
	}
	return nil
}
