package npy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/mapped"
	"mdlstm-gpu/host/nn/tensorfile"
)

// Open is [Read] for arrays that may be larger than memory: a .npy file of
// float32 in C order, little endian, is mapped, so that only what is looked at
// is read, and not hashed; Data is read-only then. Everything else is read.
// Close the array when it is no longer used.
func Open(path string) (*Array, error) {
	a, err := openMapped(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if a == nil {
		return Read(path)
	}
	return a, nil
}

// openMapped returns nil for whatever Read shall look at: files of other kinds,
// and those at fault.
func openMapped(path string) (*Array, error) {
	f, size, err := tensorfile.OpenRegular(path)
	if err != nil {
		return nil, nil
	}
	defer f.Close() // the mapping stays
	h, start, err := readHeader(bufio.NewReader(f), size)
	if err != nil || h.descr != "<f4" || h.fortran && len(h.shape) > 1 || start%4 != 0 {
		return nil, nil
	}
	d, err := parseDType(h.descr)
	if err != nil {
		return nil, err
	}
	n, shape, err := h.fits(d, size-start)
	if err != nil || n == 0 {
		return nil, err
	}
	file, err := mapped.Open(f, start, n)
	if errors.Is(err, mapped.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Array{Shape: shape, Kind: d.kind, DType: d.name, Data: file.Data, file: file}, nil
}

// Close gives a mapped file back: Data may not be used after. For an array in
// memory it does nothing.
func (a *Array) Close() error {
	if a.file == nil {
		return nil
	}
	a.Data = nil
	return a.file.Close()
}

// Create writes what [Write] writes, but the values, zero at first, are set by
// fill in a mapped file, so that they may be more than memory holds. The file
// appears when fill has returned nil; an error of fill's is returned as it is.
// A disk without room for the values is an error before fill is called.
func Create(path string, shape []int, fill func(data []float32) error) error {
	n := int64(1)
	for _, length := range shape {
		lengths := []int64{n, int64(length)}
		var ok bool
		if n, ok = product(lengths, 1<<60); !ok {
			return fmt.Errorf("write %s: shape %v is more than a file holds", path, shape)
		}
	}
	var failed error
	err := tensorfile.AtomicFile(path, func(f *os.File) error {
		header := encodeHeader("<f4", shape)
		if _, err := f.Write(header); err != nil || n == 0 {
			return err
		}
		values, err := mapped.Create(f, int64(len(header)), n)
		if errors.Is(err, mapped.ErrUnsupported) {
			failed, err = fillInMemory(f, shape, n, fill)
			return errors.Join(failed, err)
		}
		if err != nil {
			return err
		}
		failed = fill(values.Data)
		return errors.Join(failed, values.Close())
	})
	if failed != nil {
		return failed
	}
	return err
}

// fillInMemory is for systems and disks that cannot map.
func fillInMemory(f *os.File, shape []int, n int64, fill func(data []float32) error) (failed, err error) {
	if err := machine.Fits(4 * n); err != nil {
		return nil, err
	}
	data := make([]float32, n)
	if failed = fill(data); failed != nil {
		return failed, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := Encode(w, shape, data); err != nil {
		return nil, err
	}
	return nil, w.Flush()
}
