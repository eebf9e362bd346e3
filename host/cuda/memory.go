package cuda

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"
)

// Number is an element of device memory: what kernels read and write.
type Number interface {
	~float32 | ~int32 | ~uint32 | ~uint64 | ~uint8
}

// Memory is a range of device memory that belongs to somebody.
type Memory struct {
	c     *Context
	at    Address
	bytes int64 // as asked for
	taken int64 // as taken from the device: the size class
	owner string
	freed atomic.Bool
}

// Usage counts device memory in bytes, rounded as it is taken from the device.
type Usage struct {
	Live   int64            // held by owners
	Peak   int64            // largest Live so far
	Pooled int64            // kept for reuse
	Owners map[string]int64 // Live by owner
}

// Alloc takes bytes of device memory for an owner, who appears in errors and in
// [Context.Usage]. The contents are undefined. When the device has no room, the
// pool is given back first; an [*Error] with code [OutOfMemory] then says how
// much was asked for and how much is free. 0 bytes take a minimal allocation,
// so an empty tensor needs no special case.
func (c *Context) Alloc(owner string, bytes int64) (*Memory, error) {
	if bytes < 0 {
		return nil, fmt.Errorf("alloc for %s: %d bytes: %w", owner, bytes, ErrRange)
	}
	m := &Memory{c: c, bytes: bytes, taken: c.pool.size(bytes), owner: owner}
	if m.at = c.pool.reuse(m.taken); m.at == 0 {
		if err := c.allocate(m); err != nil {
			return nil, err
		}
	}
	c.pool.take(owner, m.taken)
	return m, nil
}

// allocate takes fresh memory, after emptying the pool if it must.
func (c *Context) allocate(m *Memory) error {
	ask := func() Result {
		var r Result
		m.at, r = c.drv.alloc(m.taken)
		if r == OutOfMemory && c.trim() {
			m.at, r = c.drv.alloc(m.taken)
		}
		return r
	}
	err := c.call("cuMemAlloc", ask)
	var e *Error
	if !errors.Is(err, OutOfMemory) || !errors.As(err, &e) {
		return err
	}
	e.Owner, e.Bytes, e.Free = m.owner, m.taken, -1
	if free, _, err := c.MemoryInfo(); err == nil {
		e.Free = free
	}
	return e
}

// sizeClass rounds a size so that a freed block serves requests of about its
// size: to 512 bytes, then to an eighth of its power of two, above 16 MiB to 2
// MiB, the page of the device.
func sizeClass(bytes int64) int64 {
	step := int64(512)
	if bytes > 16<<20 {
		step = 2 << 20
	} else if bytes > 8*512 {
		step = int64(1) << (bits.Len64(uint64(bytes-1)) - 3)
		step = max(step/2, 512)
	}
	if bytes > math.MaxInt64-step {
		return bytes // the device will refuse it
	}
	return max((bytes+step-1)/step*step, 512)
}

// Free gives the memory back to the pool, after waiting for all work on the
// device, as cuMemFree does: queued kernels may still use it. Freeing nil or
// twice does nothing.
func (m *Memory) Free() error {
	if m == nil || m.freed.Swap(true) {
		return nil
	}
	c := m.c
	if c.closed.Load() {
		return nil // went with the context
	}
	err := c.Synchronize()
	c.pool.give(m.owner, m.taken)
	if err == nil && !c.pool.store(m.taken, m.at) {
		err = c.call("cuMemFree", func() Result { return c.drv.free(m.at) })
	}
	return err
}

// Address is where the memory begins, for [Pointer].
func (m *Memory) Address() Address { return m.at }

// Synchronize waits for all work on the memory's device.
func (m *Memory) Synchronize() error { return m.c.Synchronize() }

// Bytes is the size that was asked for.
func (m *Memory) Bytes() int64 { return m.bytes }

// Owner is who asked for it.
func (m *Memory) Owner() string { return m.owner }

// span checks a range of the memory and returns where it begins.
func (m *Memory) span(op string, offset, bytes int64) (Address, error) {
	if m.freed.Load() {
		return 0, fmt.Errorf("%s: memory of %s: %w", op, m.owner, ErrClosed)
	}
	if offset < 0 || bytes < 0 || offset > m.bytes-bytes {
		return 0, fmt.Errorf("%s: bytes %d … %d of the %d of %s: %w", op, offset, offset+bytes, m.bytes, m.owner, ErrRange)
	}
	return m.at + Address(offset), nil
}

// Upload copies src to the memory, beginning at element offset, and waits.
func Upload[T Number](m *Memory, offset int, src []T) error {
	size := int64(unsafe.Sizeof(*new(T)))
	to, err := m.span("upload", int64(offset)*size, int64(len(src))*size)
	if err != nil || len(src) == 0 {
		return err
	}
	return m.c.call("cuMemcpyHtoD", func() Result {
		return m.c.drv.upload(to, unsafe.Pointer(&src[0]), int64(len(src))*size)
	})
}

// Download copies the memory from element offset on into dst, and waits.
func Download[T Number](dst []T, m *Memory, offset int) error {
	size := int64(unsafe.Sizeof(*new(T)))
	from, err := m.span("download", int64(offset)*size, int64(len(dst))*size)
	if err != nil || len(dst) == 0 {
		return err
	}
	return m.c.call("cuMemcpyDtoH", func() Result {
		return m.c.drv.download(unsafe.Pointer(&dst[0]), from, int64(len(dst))*size)
	})
}

// Usage says who holds how much device memory.
func (c *Context) Usage() Usage {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	u := c.pool.usage
	u.Owners = make(map[string]int64, len(c.pool.owners))
	for owner, bytes := range c.pool.owners {
		u.Owners[owner] = bytes
	}
	return u
}

// Trim gives the memory in the pool back to the device.
func (c *Context) Trim() error {
	return c.call("cuMemFree", func() Result {
		c.trim()
		return Success
	})
}

// trim empties the pool within a call, and says whether anything was given
// back.
func (c *Context) trim() bool {
	any := false
	for _, at := range c.pool.empty() {
		any = c.drv.free(at) == Success || any
	}
	return any
}

// size is what an allocation takes: exactly what was asked for when nothing is
// kept, so that tools see a use beyond it.
func (p *pool) size(bytes int64) int64 {
	if p.keep {
		return sizeClass(bytes)
	}
	return max(bytes, 1)
}

func (p *pool) init(keep bool) {
	p.keep = keep
	p.spare = map[int64][]Address{}
	p.owners = map[string]int64{}
}

// reuse takes a spare block of a size class, 0 when there is none.
func (p *pool) reuse(taken int64) Address {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.spare[taken]
	if len(list) == 0 {
		return 0
	}
	p.spare[taken] = list[:len(list)-1]
	p.usage.Pooled -= taken
	return list[len(list)-1]
}

// store keeps a block, and is false when it must go back to the device.
func (p *pool) store(taken int64, at Address) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.keep {
		p.spare[taken] = append(p.spare[taken], at)
		p.usage.Pooled += taken
	}
	return p.keep
}

// empty takes all spare blocks out.
func (p *pool) empty() []Address {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Address
	for _, list := range p.spare {
		all = append(all, list...)
	}
	clear(p.spare)
	p.usage.Pooled = 0
	return all
}

func (p *pool) take(owner string, taken int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owners[owner] += taken
	p.usage.Live += taken
	p.usage.Peak = max(p.usage.Peak, p.usage.Live)
}

func (p *pool) give(owner string, taken int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.usage.Live -= taken
	if p.owners[owner] -= taken; p.owners[owner] == 0 {
		delete(p.owners, owner)
	}
}

// leaks names the owners of live memory, in alphabetical order; "" when there
// are none.
func (p *pool) leaks() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for owner, bytes := range p.owners {
		list = append(list, fmt.Sprintf("%s %s", owner, FormatBytes(bytes)))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
