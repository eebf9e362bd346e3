//go:build linux || darwin

package mapped

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"mdlstm-gpu/host/machine"
)

// open maps the file from its beginning, because offsets of mappings are
// multiples of a page; Data begins at the offset.
func open(file *os.File, offset, length int64, write bool) (*Floats, error) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil, ErrUnsupported
	}
	access := syscall.PROT_READ
	if write {
		access |= syscall.PROT_WRITE
	}
	raw, err := syscall.Mmap(int(file.Fd()), 0, int(length), access, syscall.MAP_SHARED)
	if errors.Is(err, syscall.ENODEV) { // some network file systems
		return nil, ErrUnsupported
	}
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", file.Name(), err)
	}
	values := unsafe.Slice((*float32)(unsafe.Pointer(&raw[offset])), (length-offset)/4)
	return &Floats{Data: values, raw: raw}, nil
}

// Close unmaps the array: Data may not be used after. A file that was created
// is as it was written, but not yet synced to the disk.
func (f *Floats) Close() error {
	if f.raw == nil {
		return nil
	}
	raw := f.raw
	f.raw, f.Data = nil, nil
	return syscall.Munmap(raw)
}

// reserve lets a file grow to a length with all its blocks on the disk.
func reserve(file *os.File, length int64) error {
	folder := filepath.Dir(file.Name())
	info, err := file.Stat()
	if err != nil {
		return err
	}
	var disk syscall.Statfs_t
	if err := syscall.Fstatfs(int(file.Fd()), &disk); err != nil {
		return fmt.Errorf("free space of %s: %w", folder, err)
	}
	if free, need := int64(disk.Bavail)*int64(disk.Bsize), length-info.Size(); need > free {
		return noRoom(folder, need, free)
	}
	err = allocate(file, length)
	for errors.Is(err, syscall.EINTR) {
		err = allocate(file, length)
	}
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		err = fill(file, info.Size(), length)
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%s: no room for %d bytes: %w", folder, length, err)
	}
	return err
}

func noRoom(folder string, need, free int64) error {
	return fmt.Errorf("%s: no room for a file of %s, %s are free: name a folder on a larger disk", folder, machine.Size(need), machine.Size(free))
}

// fill writes zeros where a file system cannot allocate otherwise.
func fill(file *os.File, from, to int64) error {
	zeros := make([]byte, 1<<20)
	for at := from; at < to; at += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros[:min(int64(len(zeros)), to-at)], at); err != nil {
			return err
		}
	}
	return nil
}
