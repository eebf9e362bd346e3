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

// Reduce gives gradients to r where they lie on the device, or else in pinned
// memory. See [engine.Engine].
func (e *Engine) Reduce(from, to int, r engine.Reducer) error {
	if err := e.open(); err != nil {
		return err
	}
	if from < 0 || to < from || to > e.model.Size() {
		return fmt.Errorf("%w: gradients %d … %d of %d", engine.ErrShape, from, to, e.model.Size())
	}
	if r.Device() {
		if err := e.stream.Wait(); err != nil {
			return err
		}
		return r.ReduceDevice(uintptr(e.grads.address())+4*uintptr(from), to-from)
	}
	if e.arena == nil {
		var err error
		if e.arena, err = e.c.AllocPinned("gradients", 4*int64(e.model.Size())); err != nil {
			return memoryError("the gradients of all ranks", err)
		}
	}
	at, bytes := 4*(e.grads.at+int64(from)), 4*int64(to-from)
	if err := e.stream.Download(e.arena, 4*int64(from), e.block.memory, at, bytes); err != nil {
		return err
	}
	if err := e.stream.Wait(); err != nil {
		return err
	}
	if err := r.Reduce(cuda.Slice[float32](e.arena)[from:to]); err != nil {
		return err
	}
	return e.stream.Upload(e.block.memory, at, e.arena, 4*int64(from), bytes)
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
