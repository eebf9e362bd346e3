package gpu

import (
	"errors"
	"fmt"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
)

func (e *Engine) sized(what string, s []float32) error {
	if len(s) != e.model.Size() {
		return fmt.Errorf("%w: %s has %d values, the model has %d", engine.ErrShape, what, len(s), e.model.Size())
	}
	return nil
}

// open is an error after Close.
func (e *Engine) open() error {
	if e.closed {
		return fmt.Errorf("the GPU engine: %w", cuda.ErrClosed)
	}
	return nil
}

// get and put copy between the host and the first elements of an array, after
// all work queued.
func (e *Engine) get(a array, dst []float32) error {
	if err := e.open(); err != nil {
		return err
	}
	if err := e.stream.Wait(); err != nil {
		return err
	}
	return a.download(dst, 0)
}

func (e *Engine) put(a array, src []float32) error {
	if len(src) == 0 {
		return nil
	}
	if err := e.open(); err != nil {
		return err
	}
	if err := e.stream.Wait(); err != nil {
		return err
	}
	return cuda.Upload(a.of.memory, int(a.at), src)
}

// Parameters copies the parameters into dst.
func (e *Engine) Parameters(dst []float32) error {
	if err := e.sized("parameters", dst); err != nil {
		return err
	}
	return e.get(e.params, dst)
}

// SetParameters copies src into the parameters.
func (e *Engine) SetParameters(src []float32) error {
	if err := e.sized("parameters", src); err != nil {
		return err
	}
	e.packed = false
	return e.put(e.params, src)
}

// Gradients copies the arena into dst.
func (e *Engine) Gradients(dst []float32) error {
	if err := e.sized("gradients", dst); err != nil {
		return err
	}
	return e.get(e.grads, dst)
}

// SetGradients overwrites the arena.
func (e *Engine) SetGradients(src []float32) error {
	if err := e.sized("gradients", src); err != nil {
		return err
	}
	return e.put(e.grads, src)
}

// ZeroGradients clears the arena.
func (e *Engine) ZeroGradients() error {
	if err := e.open(); err != nil {
		return err
	}
	return e.grads.clear(e.stream)
}

// Moments copies the optimizer's state out.
func (e *Engine) Moments(m, v []float32) (int64, error) {
	if err := errors.Join(e.sized("first moments", m), e.sized("second moments", v)); err != nil {
		return 0, err
	}
	if err := e.get(e.moment, m); err != nil {
		return 0, err
	}
	return e.updates, e.get(e.square, v)
}

// SetMoments replaces the optimizer's state.
func (e *Engine) SetMoments(m, v []float32, updates int64) error {
	if err := errors.Join(e.sized("first moments", m), e.sized("second moments", v)); err != nil {
		return err
	}
	if updates < 0 || updates >= maxUpdates {
		return fmt.Errorf("%w: %d updates, want 0 to %d", engine.ErrData, updates, maxUpdates-1)
	}
	if err := e.put(e.moment, m); err != nil {
		return err
	}
	e.updates = updates
	return e.put(e.square, v)
}
