package mapped

import (
	"os"
	"syscall"
)

// allocate gives a file blocks up to a length.
func allocate(file *os.File, length int64) error {
	return syscall.Fallocate(int(file.Fd()), 0, 0, length)
}
