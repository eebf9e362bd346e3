// Package machine says what this machine has: its processor, and the memory
// that is free. A process that takes more memory than there is ends without a
// word, or with the pages of a Go runtime's last words; whoever is about to take
// much asks here first and refuses in one line.
package machine

import (
	"errors"
	"fmt"
)

// ErrMemory is wrapped by the errors of [Fits].
var ErrMemory = errors.New("out of memory")

// unasked is what is taken without asking: to ask reads files of the kernel, which
// takes longer than to open a small picture.
const unasked = 1 << 20

// Fits says whether so many bytes are free: an error that wraps [ErrMemory]
// names both figures. What nobody can know is taken to fit, and so is less than
// a MiB.
func Fits(bytes int64) error {
	if bytes < unasked {
		return nil
	}
	if free := FreeMemory(); free > 0 && bytes > free {
		return fmt.Errorf("%w: needs %s, %s are free", ErrMemory, Size(bytes), Size(free))
	}
	return nil
}

// Size writes a number of bytes in GiB, or in MiB below one, with one digit behind
// the point.
func Size(bytes int64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}
