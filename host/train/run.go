package train

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"

	"mdlstm-gpu/host/dist"
	"mdlstm-gpu/host/nn"
)

// Run is a run folder that this process has locked, with its newest checkpoint
// in memory. It is for one goroutine at a time.
type Run struct {
	// Workers is how many batches Train makes at once beside the step under way, 0
	// means 1; see [task.Ahead]. It changes no bit, and is no part of the run on disk.
	Workers int

	dir   string
	disk  files
	lock  *lock
	state *state
	spare *state    // whose arrays the next checkpoint fills
	ranks dist.Comm // nil: this process alone

	// unsaved: the settings were changed since the state was written.
	unsaved  bool
	warnings []string
}

// Dir is the run folder, as it was given.
func (r *Run) Dir() string { return r.dir }

// Settings are the run's, with the changes that [Open] was given.
func (r *Run) Settings() Settings { return r.state.settings }

// Model is the run's model.
func (r *Run) Model() *nn.Model { return r.state.model }

// Step is the number of steps done in the newest checkpoint.
func (r *Run) Step() int64 { return r.state.step }

// DataHash is the hash of the data that the run is trained on.
func (r *Run) DataHash() string { return r.state.dataHash }

// Engine is what computed the newest checkpoint.
func (r *Run) Engine() EngineInfo { return r.state.engine }

// BestParams are a copy of the parameters of [Run.Best], or of Params where there
// is none.
func (r *Run) BestParams() []float32 {
	if _, ok := r.Best(); ok {
		return append([]float32(nil), r.state.valid.params...)
	}
	return r.Params()
}

// Params are a copy of the parameters in the newest checkpoint.
func (r *Run) Params() []float32 { return append([]float32(nil), r.state.params...) }

// Warnings are what [Open] has to say to the user, a line each.
func (r *Run) Warnings() []string { return r.warnings }

// Close gives the folder free. The run may not be used after.
func (r *Run) Close() error {
	if r.lock == nil {
		return nil
	}
	l := r.lock
	r.lock = nil
	return l.close()
}

// path is a file in the run folder.
func (r *Run) path(name string) string { return filepath.Join(r.dir, name) }

// checkpoint takes the engine's state after so many steps and writes it; package
// comment: why a kill loses nothing. An error leaves the checkpoint before as it
// was; it is a *[NonFiniteError] when the parameters are not finite, and then
// nothing was written.
func (r *Run) checkpoint(l *loop, step int64) error {
	if err := dist.Agree(r.comm(), r.save(l, step)); err != nil {
		var diverged *NonFiniteError
		if errors.As(err, &diverged) {
			return err
		}
		// Step itself, when the state is written and only the model is not.
		return fmt.Errorf("checkpoint of step %d: %w; the one of step %d is kept: cure the cause and continue with --resume %s",
			step, err, r.state.step, r.dir)
	}
	return nil
}

func (r *Run) save(l *loop, step int64) error {
	next := r.nextState()
	err := l.engine.Parameters(next.params)
	if err == nil {
		next.updates, err = l.engine.Moments(next.m, next.v)
	}
	if err := r.sameParameters(next, err); err != nil {
		return err
	}
	if where := next.nonFinite(); where != "" {
		return &NonFiniteError{Step: step - 1, Where: where, Checkpoint: r.path(stateName), GoodStep: r.state.step}
	}
	if err := l.log.Sync(); err != nil {
		return err
	}
	if l.events != nil {
		if err := l.events.Sync(); err != nil {
			return err
		}
	}
	next.step, next.logBytes = step, l.log.Length()
	if l.validLog != nil {
		if err := l.validLog.Sync(); err != nil {
			return err
		}
		valid := l.validated
		valid.bytes = l.validLog.Length()
		next.valid = &valid
	}

	temp := r.path(stateName + tempSuffix)
	if err := r.disk.Write(temp, next.encode); err != nil {
		r.disk.Remove(temp) // on a full disk its room is needed; err says more
		return err
	}
	if err := r.keepPrevious(); err != nil {
		return err
	}
	if err := r.disk.Rename(temp, r.path(stateName)); err != nil {
		return err
	}
	if err := r.disk.SyncDir(r.dir); err != nil {
		return err
	}
	bestBefore, _ := r.Best()
	r.state, r.spare, r.unsaved = next, r.state, false
	if err := r.writeModel(); err != nil {
		return err
	}
	if best, ok := r.Best(); ok && best.Step != bestBefore.Step {
		if err := r.writeBest(); err != nil {
			return err
		}
	}
	return r.disk.SyncDir(r.dir)
}

// nextState is a copy of the state but for its arrays, which are the spare's: a
// checkpoint that cannot be written must leave the run's state whole.
func (r *Run) nextState() *state {
	if r.spare == nil {
		r.spare = &state{model: r.state.model}
		r.spare.alloc()
	}
	next, arrays := *r.state, r.spare
	next.params, next.m, next.v = arrays.params, arrays.m, arrays.v
	return &next
}

// keepPrevious makes state.safetensors, which was valid when this process
// opened or wrote it, also state.prev.safetensors. It stays under its own name
// until the new state replaces it; where the file system has no hard links it
// only moves, and the newest state is missing until the rename that follows. It
// is missing from the start when the run was opened from the one before.
func (r *Run) keepPrevious() error {
	now, prev := r.path(stateName), r.path(prevName)
	temp := prev + tempSuffix
	if err := r.disk.Remove(temp); err != nil {
		return err
	}
	if err := r.disk.Link(now, temp); err != nil {
		if err := r.disk.Rename(now, prev); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := r.disk.Rename(temp, prev); err != nil {
		return err
	}
	// Renaming between two names of one file does nothing: after a kill just
	// here both are, and the third name would stay.
	return r.disk.Remove(temp)
}

// writeModel replaces model.safetensors by the state's model.
func (r *Run) writeModel() error {
	return replace(r.disk, r.path(modelName), func(w io.Writer) error {
		return nn.EncodeModel(w, r.state.model, r.state.params)
	})
}

// sameBits compares by bits, so that -0 differs from 0.
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
