package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lock holds a run folder for this process until it is closed or the process
// ends, however it ends.
type lock struct{ f *os.File }

// lockFolder takes the lock of a folder, or says who has it: the error wraps
// [ErrLocked]. The lock belongs to the file, not to its name, so it stays when
// the folder is renamed. The file itself is never deleted: a second process
// could hold the deleted one while a third locks its successor.
func lockFolder(dir string) (*lock, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("%s: lock it: %w", dir, err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		who := "another process"
		if pid := readPID(f); pid > 0 {
			who = fmt.Sprintf("process %d", pid)
		}
		return nil, fmt.Errorf("%s: %w: %s is training in it; wait until it is done, or stop it", dir, ErrLocked, who)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// The pid is a courtesy for the message above: a full disk may refuse it.
	if f.Truncate(0) == nil {
		f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
	}
	return &lock{f: f}, nil
}

// close gives the folder free.
func (l *lock) close() error {
	l.f.Truncate(0)
	return l.f.Close()
}

// readPID returns the process id in a lock file, 0 when there is none.
func readPID(f *os.File) int {
	var buf [20]byte
	n, _ := f.ReadAt(buf[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
