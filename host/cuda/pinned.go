package cuda

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Pinned is host memory that the operating system does not move, so that
// asynchronous copies may read and write it while the program runs on. Go's own
// memory may not be used for those.
type Pinned struct {
	c     *Context
	at    unsafe.Pointer
	bytes int64
	owner string
	freed atomic.Bool
}

// AllocPinned takes bytes of pinned host memory for an owner, who appears in
// errors. The contents are undefined. An [*Error] with code [OutOfMemory] means
// that the host has no such memory left.
func (c *Context) AllocPinned(owner string, bytes int64) (*Pinned, error) {
	if bytes < 0 {
		return nil, fmt.Errorf("pinned memory for %s: %d bytes: %w", owner, bytes, ErrRange)
	}
	p := &Pinned{c: c, bytes: bytes, owner: owner}
	err := c.call("cuMemAllocHost", func() (r Result) {
		p.at, r = c.drv.allocHost(max(bytes, 1))
		return r
	})
	if e := (*Error)(nil); errors.Is(err, OutOfMemory) && errors.As(err, &e) {
		e.Owner, e.Bytes, e.Free = owner, bytes, -1
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Free gives the memory back after waiting for all work on the device. The
// slices made from it may not be used after. Freeing nil or twice does nothing.
func (p *Pinned) Free() error {
	if p == nil || p.freed.Swap(true) || p.c.closed.Load() {
		return nil
	}
	if err := p.c.Synchronize(); err != nil {
		return err
	}
	return p.c.call("cuMemFreeHost", func() Result { return p.c.drv.freeHost(p.at) })
}

// Bytes is the size that was asked for.
func (p *Pinned) Bytes() int64 { return p.bytes }

// Address is the memory as kernels see it: what one of them stores there, the
// host reads after waiting for it, without a copy. Every device has the host's
// addresses in its own address space (compute capability 2.0 and newer, 64 bits).
func (p *Pinned) Address() Address { return Address(uintptr(p.at)) }

// Slice is the memory as elements of T, as many as fit. It is the memory
// itself: an asynchronous copy writes it later.
func Slice[T Number](p *Pinned) []T {
	return unsafe.Slice((*T)(p.at), int(p.bytes)/int(unsafe.Sizeof(*new(T))))
}

func (p *Pinned) span(op string, offset, bytes int64) (unsafe.Pointer, error) {
	if p.freed.Load() {
		return nil, fmt.Errorf("%s: pinned memory of %s: %w", op, p.owner, ErrClosed)
	}
	if offset < 0 || bytes < 0 || offset > p.bytes-bytes {
		return nil, fmt.Errorf("%s: bytes %d … %d of the %d pinned for %s: %w", op, offset, offset+bytes, p.bytes, p.owner, ErrRange)
	}
	return unsafe.Add(p.at, offset), nil
}
