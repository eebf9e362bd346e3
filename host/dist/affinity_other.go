//go:build !linux

package dist

import "runtime"

// affinity is the cores that this process may use, a bit each: where no launcher
// binds processes, all.
func affinity() []byte {
	mask := make([]byte, 128)
	for i := range min(runtime.NumCPU(), 8*len(mask)) {
		mask[i/8] |= 1 << (i % 8)
	}
	return mask
}
