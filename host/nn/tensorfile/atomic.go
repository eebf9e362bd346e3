package tensorfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
)

// AtomicWrite replaces the file at path by what write writes, or creates it.
// The bytes go to a hidden temporary file in the same folder, which is fsynced
// and renamed over path, and the folder is fsynced: whatever happens, path
// holds the old content or the new. When it returns an error from before the
// rename the temporary file is gone and path is untouched. A symbolic link is
// kept, its target replaced; an existing file keeps its permissions; what is
// neither missing nor a regular file is refused. Errors begin with "write" and
// the path.
func AtomicWrite(path string, write func(io.Writer) error) error {
	return AtomicFile(path, func(file *os.File) error {
		buffer := bufio.NewWriterSize(file, 1<<20)
		if err := write(buffer); err != nil {
			return err
		}
		return buffer.Flush()
	})
}

// AtomicFile is AtomicWrite for content that is not written from its beginning
// to its end: the temporary file, open for reading and writing, is handed out.
func AtomicFile(path string, write func(*os.File) error) error {
	if err := replace(path, write); err != nil {
		return fmt.Errorf("write %s: %w", path, Reason(err))
	}
	return nil
}

func replace(path string, write func(*os.File) error) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mode := fs.FileMode(0)
	switch info, err := os.Stat(path); {
	case err == nil && !info.Mode().IsRegular():
		return errors.New("exists and is not a regular file")
	case err == nil:
		mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	file, err := createTemp(path)
	if err != nil {
		return err
	}
	err = fill(file, mode, write)
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		if left := os.Remove(file.Name()); left != nil {
			return fmt.Errorf("%w (%v)", Reason(err), left)
		}
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// createTemp makes a new file beside path. Unlike [os.CreateTemp] it leaves the
// permissions to the umask, as for any file that a user's program creates.
func createTemp(path string) (*os.File, error) {
	for {
		name := fmt.Sprintf(".%s.%08x.tmp", filepath.Base(path), rand.Uint32())
		file, err := os.OpenFile(filepath.Join(filepath.Dir(path), name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
	}
}

// fill writes the content, sees it onto the disk and closes the file. A mode of
// 0 leaves the permissions alone.
func fill(file *os.File, mode fs.FileMode, write func(*os.File) error) error {
	err := write(file)
	if err == nil && mode != 0 {
		err = file.Chmod(mode)
	}
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// SyncDir fsyncs a folder, so that files created and renamed in it survive a
// power failure. File systems that cannot do that are taken as they are.
func SyncDir(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = folder.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	if closeErr := folder.Close(); err == nil {
		err = closeErr
	}
	return err
}
