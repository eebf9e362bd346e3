package dist

import (
	"errors"
	"unsafe"
)

// ErrNoMPI: this build cannot talk to other ranks.
var ErrNoMPI = errors.New("this build has no MPI: build it with make build MPI=1 (needs Open MPI: apt-get install libopenmpi-dev)")

// Comm is one rank's side of a group of ranks. Its methods but Abort are
// collective, that is, every rank calls them in the same order with arguments that
// fit, and for one goroutine at a time. Errors are the library's and leave the
// group unusable.
type Comm interface {
	// Rank is this process's number, 0 … Size()-1.
	Rank() int
	Size() int

	// Exchange sends bytes [offsets[k], offsets[k+1]) of send to each rank k, and
	// receives from each rank, in their order, what that has for this one: recv
	// has Size() times the length of this rank's range. offsets, Size()+1 of
	// them, are the same everywhere.
	Exchange(send Memory, recv []byte, offsets []int) error
	// Gather gives all ranks the parts of all: part k of rank k arrives at
	// [offsets[k], offsets[k+1]) of all. It does not overlap own.
	Gather(own []byte, all Memory, offsets []int) error
	// Broadcast overwrites data with that of rank 0, of the same length.
	Broadcast(data []byte) error
	// Device says whether Memory may be that of a GPU.
	Device() bool

	// Abort ends all ranks at once, with this exit code where there are processes
	// to end. It may be called while another method waits.
	Abort(code int)
	// Close ends the group: ranks that still need this one fail. The Comm may not
	// be used after.
	Close() error
}

// Memory is what is sent or received: the host's or a GPU's.
type Memory struct {
	host   []byte
	device uintptr
	bytes  int
}

// Number are the types of values.
type Number interface{ byte | float32 | float64 }

// Host is the memory of a slice.
func Host[T Number](x []T) Memory {
	b := bytesOf(x)
	return Memory{host: b, bytes: len(b)}
}

// DeviceMemory is memory of the GPU that this rank computes on.
func DeviceMemory(address uintptr, bytes int) Memory {
	return Memory{device: address, bytes: bytes}
}

// bytesOf is the memory of a slice as bytes.
func bytesOf[T Number](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(*new(T))))
}

// Single is the group of one rank.
type Single struct{}

var _ Comm = Single{}

// Rank is 0.
func (Single) Rank() int { return 0 }

// Size is 1.
func (Single) Size() int { return 1 }

// Exchange copies: the rank sends to itself.
func (Single) Exchange(send Memory, recv []byte, offsets []int) error {
	copy(recv, send.host[offsets[0]:offsets[1]])
	return nil
}

// Gather copies.
func (Single) Gather(own []byte, all Memory, offsets []int) error {
	copy(all.host[offsets[0]:offsets[1]], own)
	return nil
}

// Broadcast does nothing.
func (Single) Broadcast([]byte) error { return nil }

// Device is false.
func (Single) Device() bool { return false }

// Abort does nothing: the caller ends by itself.
func (Single) Abort(int) {}

// Close does nothing.
func (Single) Close() error { return nil }
