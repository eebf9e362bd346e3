package tensorfile

import (
	"errors"
	"io/fs"
	"os"
)

// ErrNotRegular says that a path names a folder, a pipe or a device.
var ErrNotRegular = errors.New("not a regular file")

// OpenRegular opens the regular file at path and says how many bytes it has,
// which is what a reader checks lengths against before it allocates them. What is
// no regular file is refused before it is opened, for opening a pipe waits for its
// writer: [ErrNotRegular]. Errors lack the path, which the caller names.
func OpenRegular(path string) (file *os.File, size int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, Reason(err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, ErrNotRegular
	}
	if file, err = os.Open(path); err != nil {
		return nil, 0, Reason(err)
	}
	return file, info.Size(), nil
}

// Reason takes the path and the system call off an error of package os, since
// the caller names the path that the user knows. It looks at err alone: what a
// callback wrapped keeps its words.
func Reason(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	}
	return err
}
