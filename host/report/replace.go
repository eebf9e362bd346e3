package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// tempName is where a file is written before it has its name. It is fixed, so
// that the next report overwrites what a kill left behind; a folder has one
// report written at a time.
func tempName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
}

// replaceFile writes data to a temporary file beside path and renames it, so
// that path holds the old content or the new one, whatever happens meanwhile.
func replaceFile(path string, data []byte) (err error) {
	file, err := os.OpenFile(tempName(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %q: %w", path, err), ignoreClosed(file.Close()), os.Remove(file.Name()))
		}
	}()
	if _, err := file.Write(data); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// ignoreClosed drops the error of closing a file a second time.
func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
