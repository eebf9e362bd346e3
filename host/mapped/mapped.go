package mapped

import (
	"fmt"
	"math"
	"os"
)

// Floats is a mapped array of float32. It is safe for use as any slice is.
type Floats struct {
	Data []float32
	raw  []byte
}

// Temp maps an array of zeros in a new file in a folder; "" is [os.TempDir]. The
// file has no name any more when Temp returns, so nothing is left of it however
// the process ends. Where the disk has no room the error names the folder and
// the figures.
func Temp(folder string, values int64) (*Floats, error) {
	if folder == "" {
		folder = os.TempDir()
	}
	file, err := os.CreateTemp(folder, ".mdlstm-gpu-*")
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	defer file.Close() // the mapping stays
	if err := os.Remove(file.Name()); err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return Create(file, 0, values)
}

// Create maps values of a file from a byte offset on, a multiple of 4, for
// reading and writing. The file grows to end behind them and gets all its blocks
// on the disk. What was there is kept; the rest is zero.
func Create(file *os.File, offset, values int64) (*Floats, error) {
	length, err := span(offset, values)
	if err != nil {
		return nil, err
	}
	if err := reserve(file, length); err != nil {
		return nil, err
	}
	return open(file, offset, length, true)
}

// Open maps values of a file from a byte offset on, a multiple of 4, for reading
// only: writing to Data crashes. The file must hold them.
func Open(file *os.File, offset, values int64) (*Floats, error) {
	length, err := span(offset, values)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < length {
		return nil, fmt.Errorf("map %s: %d bytes, want %d", file.Name(), info.Size(), length)
	}
	return open(file, offset, length, false)
}

// span is where the values end in the file.
func span(offset, values int64) (int64, error) {
	if offset < 0 || offset%4 != 0 || values < 1 || values > (math.MaxInt-offset)/4 {
		return 0, fmt.Errorf("map %d values from byte %d: want at least one, from a multiple of 4, and no more than can be addressed", values, offset)
	}
	return offset + 4*values, nil
}
