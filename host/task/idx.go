package task

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn/tensorfile"
)

// idx is an array of bytes from a file of the format IDX, in which MNIST is
// distributed: two zero bytes, the type (8 for unsigned bytes), the number of
// axes, their lengths as 32-bit integers, big endian, then the values, row-major.
type idx struct {
	shape  []int
	data   []byte
	sha256 [32]byte // of the file, decompressed
}

const (
	idxBytes = 8 // the type of unsigned bytes

	// maxInflation is the most that deflate can do: 258 bytes for 2 bits.
	maxInflation = 1032
	// Above bombSize bytes, a file must be honest work: all but constant pictures
	// compress less than bombRatio.
	bombSize  = 1 << 30
	bombRatio = 200
)

// againHint is what helps against a damaged file.
const againHint = "get the file again"

// readIDX reads an array of so many axes, plain or compressed with gzip, which
// follows from the first bytes. Errors are one line that begins with the path.
func readIDX(path string, axes int) (*idx, error) {
	a, err := openIDX(path, axes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

func openIDX(path string, axes int) (*idx, error) {
	f, size, err := tensorfile.OpenRegular(path)
	if errors.Is(err, tensorfile.ErrNotRegular) {
		return nil, fmt.Errorf("is %w: want an IDX file, plain or .gz", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decodeIDX(f, size, axes)
}

// decodeIDX reads a file of size bytes.
func decodeIDX(r io.Reader, size int64, axes int) (*idx, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	start, err := in.Peek(2)
	switch {
	case size == 0:
		return nil, errors.New("is empty: want an IDX file: " + againHint)
	case err != nil && err != io.EOF:
		return nil, tensorfile.Reason(err)
	case string(start) != "\x1f\x8b":
		return decodePlainIDX(in, size, axes)
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, gzipError(err)
	}
	a, err := decodePlainIDX(bufio.NewReaderSize(z, 1<<16), inflatedSize(size), axes)
	if err != nil {
		return nil, gzipError(err)
	}
	return a, nil
}

// inflatedSize is the most that a file of size bytes may be decompressed.
func inflatedSize(size int64) int64 {
	size = min(size, math.MaxInt64/maxInflation)
	return min(size*maxInflation, max(bombSize, size*bombRatio))
}

// gzipError says of what the gzip reader objects to that it is the compression.
func gzipError(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("the gzip data is truncated: " + againHint)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return fmt.Errorf("the gzip data is damaged (%w): %s", err, againHint)
	}
	return err
}

// decodePlainIDX reads the format itself from r, which has at most size bytes.
func decodePlainIDX(r io.Reader, size int64, axes int) (*idx, error) {
	sum := sha256.New()
	r = io.TeeReader(r, sum)
	header := make([]byte, 4+4*axes)
	if n, err := io.ReadFull(r, header[:4]); err != nil {
		return nil, short(err, "%d bytes are less than the first line of an IDX file", n)
	}
	switch {
	case header[0] != 0 || header[1] != 0:
		return nil, fmt.Errorf("begins with the bytes % x, want those of an IDX file, 00 00 08 %02x: give the original MNIST files", header[:4], axes)
	case header[2] != idxBytes:
		return nil, fmt.Errorf("is an IDX file of type 0x%02x, want 0x08, unsigned bytes: give the original MNIST files", header[2])
	case int(header[3]) != axes:
		return nil, fmt.Errorf("is an IDX file of %d axes, want %d: labels have 1, images 3; are the two exchanged?", header[3], axes)
	}
	if _, err := io.ReadFull(r, header[4:]); err != nil {
		return nil, short(err, "it ends inside the lengths of its %d axes", axes)
	}
	a := &idx{shape: make([]int, axes)}
	values, found := int64(1), size-int64(len(header))
	for d := range a.shape {
		length := int64(binary.BigEndian.Uint32(header[4+4*d:]))
		if length == 0 {
			return nil, fmt.Errorf("axis %d has the length 0: %s", d, againHint)
		}
		if values > found/length { // so the product cannot overflow
			return nil, fmt.Errorf("truncated, or its lengths are damaged: they want more values than the %d that may be in the file: %s", found, againHint)
		}
		values *= length
		a.shape[d] = int(length)
	}
	if err := machine.Fits(values); err != nil {
		return nil, fmt.Errorf("shape %v: %w: give a smaller file", a.shape, err)
	}
	a.data = make([]byte, values)
	if n, err := io.ReadFull(r, a.data); err != nil {
		return nil, short(err, "shape %v wants %d values, the file has %d", a.shape, values, n)
	}
	// One read past the end: gzip checks its sum there.
	switch n, err := io.ReadFull(r, header[:1]); {
	case n > 0:
		return nil, fmt.Errorf("has more bytes than the %d values of its shape %v: %s", values, a.shape, againHint)
	case err != io.EOF:
		return nil, err
	}
	sum.Sum(a.sha256[:0])
	return a, nil
}

// short is the error of a file that ends early, or the reader's own.
func short(err error, format string, args ...any) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("truncated: "+format+": "+againHint, args...)
	}
	return err
}
