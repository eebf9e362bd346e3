package train

import (
	"bufio"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"mdlstm-gpu/host/nn/tensorfile"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/tensorboard"
)

// Names in a run folder.
const (
	configName  = "config.json"
	logName     = "log.tsv"
	validName   = "valid.tsv"
	stateName   = "state.safetensors"
	prevName    = "state.prev.safetensors"
	damagedName = "state.damaged.safetensors"
	modelName   = "model.safetensors"
	bestName    = "best.safetensors"
	eventsName  = "tensorboard"
	lockName    = ".lock"

	// A run folder has one writer at a time, so a temporary name can be fixed:
	// what a kill leaves behind is overwritten by the next checkpoint.
	tempSuffix = ".tmp"
)

// files are the operations by which a run changes its folder, each of them a
// point where the process may be killed or the disk may be full. Tests put an
// implementation in between that stops at the n-th.
type files interface {
	// Mkdir makes one folder.
	Mkdir(path string) error
	// Write creates or empties a file, writes what encode gives, syncs it to
	// the disk and closes it.
	Write(path string, encode func(io.Writer) error) error
	// CreateLog makes a log with its header and nothing else.
	CreateLog(path string) error
	// OpenLog continues a log and cuts off what lies beyond length bytes.
	OpenLog(path string, length int64) (stepLog, error)
	// CreateValidLog and OpenValidLog are the same for validations.
	CreateValidLog(path string) error
	OpenValidLog(path string, length int64) (validLog, error)
	// CreateEvents begins an event file in a folder, which it makes; begin writes
	// the first events.
	CreateEvents(dir string, step int64, begin func(eventLog) error) (eventLog, error)
	// Link gives the file another name, which must not exist.
	Link(from, to string) error
	// Rename moves a file or folder over whatever has the new name.
	Rename(from, to string) error
	// Remove deletes a file; it is no error when there is none.
	Remove(path string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(path string) error
}

// lineLog is what logs of steps and of validations have in common.
type lineLog interface {
	Length() int64
	Flush() error
	Sync() error
	Close() error
}

// stepLog is what the loop needs of a [report.Log].
type stepLog interface {
	lineLog
	Append(report.LogLine) error
	Next() int64
}

// validLog is what the loop needs of a [report.ValidLog].
type validLog interface {
	lineLog
	Append(report.ValidLine) error
}

var (
	_ stepLog  = (*report.Log)(nil)
	_ validLog = (*report.ValidLog)(nil)
)

// osFiles are the files of the operating system.
type osFiles struct{}

var _ files = osFiles{}

func (osFiles) Mkdir(path string) error { return os.Mkdir(path, 0o777) }

func (osFiles) Write(path string, encode func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	if err := encode(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Sync()
}

func (osFiles) CreateLog(path string) error {
	l, err := report.CreateLog(path)
	if err != nil {
		return err
	}
	return closeSynced(l)
}

func (osFiles) CreateValidLog(path string) error {
	l, err := report.CreateValidLog(path)
	if err != nil {
		return err
	}
	return closeSynced(l)
}

func closeSynced(l lineLog) error {
	if err := l.Sync(); err != nil {
		l.Close()
		return err
	}
	return l.Close()
}

func (osFiles) OpenLog(path string, length int64) (stepLog, error) {
	l, err := report.OpenLogAt(path, length)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (osFiles) OpenValidLog(path string, length int64) (validLog, error) {
	l, err := report.OpenValidLogAt(path, length)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (osFiles) CreateEvents(dir string, step int64, begin func(eventLog) error) (eventLog, error) {
	w, err := tensorboard.Create(dir, step, func(w *tensorboard.Writer) error { return begin(w) })
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (osFiles) Link(from, to string) error { return os.Link(from, to) }

// Rename does not use [os.Rename], which refuses to put a folder in place of an
// empty one.
func (osFiles) Rename(from, to string) error {
	err := unix.Rename(from, to)
	for errors.Is(err, unix.EINTR) {
		err = unix.Rename(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func (osFiles) Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (osFiles) SyncDir(path string) error { return tensorfile.SyncDir(path) }

// replace writes a file under a temporary name in the same folder and renames
// it over path, so that path is at every instant the old file or the new one.
// The temporary file is removed when something fails: on a full disk its room
// is needed.
func replace(disk files, path string, encode func(io.Writer) error) error {
	temp := path + tempSuffix
	if err := disk.Write(temp, encode); err != nil {
		disk.Remove(temp) // err says more than a second one would
		return err
	}
	return disk.Rename(temp, path)
}
