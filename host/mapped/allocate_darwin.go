package mapped

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate gives a file blocks up to a length.
func allocate(file *os.File, length int64) error {
	info, err := file.Stat()
	if err != nil || info.Size() >= length {
		return err
	}
	err = unix.FcntlFstore(file.Fd(), unix.F_PREALLOCATE, &unix.Fstore_t{
		Flags: unix.F_ALLOCATEALL, Posmode: unix.F_PEOFPOSMODE, Length: length - info.Size(),
	})
	if err != nil {
		return err
	}
	return file.Truncate(length)
}
