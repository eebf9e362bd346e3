package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"mdlstm-gpu/host/nn"
)

// Open takes an existing run for continuing it, locked for this process, and
// applies the changes. A checkpoint that is damaged or missing is replaced by the
// one before with a word in [Run.Warnings]. Errors wrap [ErrNoRun], [ErrLocked],
// or [ErrDamaged] when neither checkpoint can be used; a change that cannot be
// made is a *[SettingError].
func Open(dir string, c Changes) (*Run, error) {
	return open(osFiles{}, dir, c)
}

func open(disk files, dir string, c Changes) (*Run, error) {
	// Looked at before the lock, which would leave its file in a foreign folder.
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--resume %s: %w: give the folder of a run", dir, fs.ErrNotExist)
	} else if err != nil {
		return nil, fmt.Errorf("--resume %w", err)
	}
	if !holdsRun(dir) {
		return nil, fmt.Errorf("--resume %s: %w: neither %s nor %s is in it: give the folder of a run", dir, ErrNoRun, stateName, prevName)
	}
	r := &Run{dir: dir, disk: disk}
	var err error
	if r.lock, err = lockFolder(dir); err != nil {
		return nil, fmt.Errorf("--resume %w", err)
	}
	if err := r.load(c); err != nil {
		r.Close()
		return nil, fmt.Errorf("--resume %s: %w", dir, err)
	}
	return r, nil
}

// load reads the newest usable state into the run and applies the changes.
func (r *Run) load(c Changes) error {
	s, err := loadState(r.path(stateName))
	if errors.Is(err, ErrDamaged) || errors.Is(err, fs.ErrNotExist) {
		s, err = r.fallBack(err)
	}
	if err != nil {
		return err
	}
	r.state = s
	old := s.settings
	changed, err := old.with(c, s.step)
	if err != nil {
		return err
	}
	if err := r.refreshRecord(); err != nil {
		return err
	}
	s.settings = changed
	r.unsaved = old.Steps != s.settings.Steps || old.CheckpointEvery != s.settings.CheckpointEvery ||
		old.Patience != s.settings.Patience || old.TensorBoard != s.settings.TensorBoard || old.Device != s.settings.Device || old.Threads != s.settings.Threads ||
		old.Recompute != s.settings.Recompute || old.Precision != s.settings.Precision
	if err := r.refreshModel(); err != nil {
		return err
	}
	return r.refreshBest()
}

// fallBack loads the checkpoint before the newest, which cannot be used for the
// given reason. The newest is set aside: the log is about to be cut to the older
// one, and should the newest ever become readable again it must not be taken.
func (r *Run) fallBack(reason error) (*state, error) {
	s, err := loadState(r.path(prevName))
	if err != nil {
		return nil, fmt.Errorf("no checkpoint can be used: %w; %w: put one back from a copy, or start a new run with --init %s",
			reason, err, r.path(modelName))
	}
	if errors.Is(reason, fs.ErrNotExist) {
		r.warnings = append(r.warnings, fmt.Sprintf("%s is missing: continuing from %s, step %d", r.path(stateName), prevName, s.step))
		return s, nil
	}
	if err := r.disk.Rename(r.path(stateName), r.path(damagedName)); err != nil {
		return nil, err
	}
	r.warnings = append(r.warnings, fmt.Sprintf("%v; continuing from %s, step %d; the damaged file is kept as %s",
		reason, prevName, s.step, damagedName))
	return s, nil
}

// refreshModel exports the model again when the file is not that of the state:
// a kill between the two leaves it one checkpoint behind.
func (r *Run) refreshModel() error {
	m, params, err := nn.LoadModel(r.path(modelName))
	if err == nil && m.Size() == r.state.model.Size() && sameBits(params, r.state.params) {
		return nil
	}
	return r.writeModel()
}
