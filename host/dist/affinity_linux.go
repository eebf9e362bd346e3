package dist

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// affinity is the cores that this process may use, a bit each; all 0 where the
// system does not tell.
func affinity() []byte {
	var set unix.CPUSet
	mask := make([]byte, 8*len(set))
	if unix.SchedGetaffinity(0, &set) == nil {
		for i, word := range set {
			binary.LittleEndian.PutUint64(mask[8*i:], uint64(word))
		}
	}
	return mask
}
