package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
)

// Start is what a new run begins with.
type Start struct {
	Settings Settings
	Engine   engine.Info
	DataHash string // see [task.Split.Hash]
	// Validates says that the data have a part for validation.
	Validates bool
	// Params are the first parameters, in the order of the model; nil draws them
	// from Settings.Seed.
	Params []float32
}

// DefaultFolder makes runs/NAME-DATE-TIME, an empty folder for [Create], and the
// folder runs when there is none. No other process gets the same one, whatever
// the clock says: a second run within the same second has "-2" behind its name,
// and so on.
func DefaultFolder(name string, now time.Time) (string, error) {
	const parent = "runs"
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return "", fmt.Errorf("make the folder of runs: %w", err)
	}
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == os.PathSeparator || r == 0 {
			return '_'
		}
		return r
	}, name)
	base := filepath.Join(parent, name+"-"+now.Format("20060102-150405"))
	for n := 1; ; n++ {
		dir := base
		if n > 1 {
			dir += "-" + strconv.Itoa(n)
		}
		if err := os.Mkdir(dir, 0o777); err == nil {
			return dir, nil
		} else if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make the folder of a run: %w", err)
		}
	}
}

// CheckNew says whether a new run can be made at dir, before any work is done
// for it: the parent must exist and be writable, and dir itself must not exist
// or be an empty folder. What is in use gives an error that wraps [ErrExists].
func CheckNew(dir string) error {
	if dir == "" {
		return &SettingError{Flag: "--out", Value: `""`, Problem: "must name a folder for the run"}
	}
	parent := filepath.Dir(target(dir))
	switch info, err := os.Stat(parent); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("--out %s: the folder %s does not exist: make it, or choose another --out", dir, parent)
	case err != nil:
		return fmt.Errorf("--out %s: %w", dir, err)
	case !info.IsDir():
		return fmt.Errorf("--out %s: %s is not a folder", dir, parent)
	}
	if err := unix.Access(parent, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("--out %s: the folder %s is not writable: %w", dir, parent, err)
	}

	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("--out %s: %w: it is a file: choose another --out", dir, ErrExists)
	case err != nil:
		return fmt.Errorf("--out %s: %w", dir, err)
	case holdsRun(dir):
		return fmt.Errorf("--out %s: %w: it holds a run: continue it with --resume %s, or choose another --out", dir, ErrExists, dir)
	case len(entries) > 0:
		return fmt.Errorf("--out %s: %w: it is not empty: choose a new folder", dir, ErrExists)
	}
	return nil
}

// holdsRun says whether one of a run's own files is in dir.
func holdsRun(dir string) bool {
	for _, name := range []string{stateName, prevName, configName} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// target is the absolute path behind dir, links followed where it exists, so
// that a rename lands where the user meant.
func target(dir string) string {
	if path, err := filepath.EvalSymlinks(dir); err == nil {
		dir = path
	}
	if path, err := filepath.Abs(dir); err == nil {
		dir = path
	}
	return filepath.Clean(dir)
}

// sameFolder says whether both paths lead to one folder.
func sameFolder(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// Create makes a run folder, locked for this process, with config.json, an
// empty log, the state of step 0 and its model. It appears by one rename: dir
// does not exist or is an empty folder before and is complete after. Errors are
// those of [CheckNew] and of the settings; nothing is left behind by them.
func Create(dir string, start Start) (*Run, error) {
	return create(osFiles{}, dir, start)
}

func create(disk files, dir string, start Start) (*Run, error) {
	s, err := newState(start)
	if err != nil {
		return nil, err
	}
	if err := CheckNew(dir); err != nil {
		return nil, err
	}
	final := target(dir)
	// A name of its own for every attempt: another process may be making the
	// same run at this moment, and the second rename is refused.
	temp := filepath.Join(filepath.Dir(final), fmt.Sprintf(".%s.%d-%d.new", filepath.Base(final), os.Getpid(), time.Now().UnixNano()))
	if err := disk.Mkdir(temp); err != nil {
		return nil, fmt.Errorf("--out %s: %w", dir, err)
	}
	r := &Run{dir: temp, disk: disk, state: s}
	if err := r.fill(final); err != nil {
		r.Close()
		if e := removeFolder(disk, temp); e != nil {
			return nil, fmt.Errorf("--out %s: %w (and %s stays behind: %w)", dir, err, temp, e)
		}
		return nil, fmt.Errorf("--out %s: %w", dir, err)
	}
	if !sameFolder(dir, final) {
		dir = final // "gone/../run", where gone is no folder or a link to one
	}
	r.dir = dir
	return r, nil
}

// newState is the state of step 0.
func newState(start Start) (*state, error) {
	if err := start.Settings.Validate(); err != nil {
		return nil, err
	}
	m, err := nn.New(start.Settings.Model)
	if err != nil {
		return nil, err
	}
	s := &state{settings: start.Settings, engine: engineInfo(start.Engine), dataHash: start.DataHash, model: m}
	s.settings.Model = m.Config // with defaults
	if start.Validates {
		s.valid = &validState{}
	}
	s.alloc()
	if start.Params == nil {
		s.params = m.Init(start.Settings.Seed)
		return s, nil
	}
	if len(start.Params) != m.Size() {
		return nil, fmt.Errorf("first parameters: got %d values, the model has %d", len(start.Params), m.Size())
	}
	copy(s.params, start.Params)
	return s, nil
}

// fill puts everything into the new folder at r.dir and renames it to final.
func (r *Run) fill(final string) error {
	var err error
	if r.lock, err = lockFolder(r.dir); err != nil {
		return err
	}
	if err := r.disk.CreateLog(r.path(logName)); err != nil {
		return err
	}
	if r.state.logBytes, err = sizeOf(r.path(logName)); err != nil {
		return err
	}
	if v := r.state.valid; v != nil {
		if err := r.disk.CreateValidLog(r.path(validName)); err != nil {
			return err
		}
		if v.bytes, err = sizeOf(r.path(validName)); err != nil {
			return err
		}
	}
	if err := r.writeRecord(); err != nil {
		return err
	}
	if err := r.disk.Write(r.path(stateName), r.state.encode); err != nil {
		return err
	}
	if err := r.writeModel(); err != nil {
		return err
	}
	if err := r.disk.SyncDir(r.dir); err != nil {
		return err
	}
	if err := r.disk.Rename(r.dir, final); err != nil {
		if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) {
			return fmt.Errorf("%w: another process made it just now: choose another --out", ErrExists)
		}
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("it is a mount point or otherwise in use: choose a new folder inside it: %w", err)
		}
		return err
	}
	r.dir = final
	return r.disk.SyncDir(filepath.Dir(final))
}

func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// removeFolder removes a new folder that was not to be.
func removeFolder(disk files, dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := disk.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return disk.Remove(dir)
}
