package cuda

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// Context is an opened device. It is safe for concurrent use.
type Context struct {
	device Device
	drv    driver
	handle handle
	sync   bool // MDLSTM_SYNC=1

	capturing atomic.Int32 // captures under way: nothing may be waited for
	last      atomic.Pointer[string]
	lost      atomic.Pointer[Error] // the sticky error that ended the context
	closed    atomic.Bool
	profile   atomic.Pointer[Profile] // nil: kernels are not timed
	pool      pool
}

// Open takes the primary context of a device. The errors of a machine without
// a usable GPU wrap [ErrNoDevice] and say what is missing.
func Open(ordinal int) (*Context, error) { return open(ordinal, newDriver) }

func open(ordinal int, newDriver func() (driver, error)) (*Context, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	drv, version, count, err := startDriver(newDriver)
	if err != nil {
		return nil, err
	}
	if ordinal < 0 || ordinal >= count {
		return nil, fmt.Errorf("%w: device %d: there are %d, counted from 0", ErrNoDevice, ordinal, count)
	}
	device, err := describe(drv, ordinal, version)
	if err != nil {
		return nil, err
	}
	if err := device.Usable(); err != nil {
		return nil, err
	}
	h, r := drv.retainContext(ordinal)
	if r != Success {
		return nil, fmt.Errorf("open device %d, %s: %w", ordinal, device.Name, &Error{Op: "cuDevicePrimaryCtxRetain", Code: r, Detail: drv.message()})
	}
	c := &Context{device: device, drv: drv, handle: h, sync: os.Getenv("MDLSTM_SYNC") == "1"}
	c.pool.init(!c.sync && os.Getenv("MDLSTM_POOL") != "0")
	return c, nil
}

// Device describes the device of the context.
func (c *Context) Device() *Device { return &c.device }

// Sync says whether MDLSTM_SYNC=1 holds: every launch is waited for.
func (c *Context) Sync() bool { return c.sync }

// Synchronize waits for all work on the device.
func (c *Context) Synchronize() error { return c.call("cuCtxSynchronize", c.drv.synchronize) }

// MemoryInfo asks the device how many bytes are free and how many there are,
// other programs' included. Bytes in the pool are not free: see [Context.Trim].
func (c *Context) MemoryInfo() (free, total int64, err error) {
	err = c.call("cuMemGetInfo", func() (r Result) {
		free, total, r = c.drv.memoryInfo()
		return r
	})
	return free, total, err
}

// Lost is the error that ended the context, or nil. After a kernel's fault the
// device refuses everything, and all methods return this error.
func (c *Context) Lost() error {
	if e := c.lost.Load(); e != nil {
		return e
	}
	return nil
}

// Close waits for the device and gives it back, memory included. It returns the
// error that ended the context, if one did, and else an error that names the
// owners of memory that was never freed. A second Close does nothing.
func (c *Context) Close() error {
	if c.closed.Load() {
		return nil
	}
	err := c.Synchronize()
	if p := c.profile.Load(); p != nil && err == nil {
		err = p.close()
	}
	leaked := c.pool.leaks()
	if err == nil {
		err = c.Trim()
	}
	if c.closed.Swap(true) {
		return nil // another goroutine was faster
	}
	r := c.drv.releaseContext(c.device.Ordinal)
	switch {
	case err != nil:
		return err
	case r != Success:
		return &Error{Op: "cuDevicePrimaryCtxRelease", Code: r, Detail: c.drv.message()}
	case leaked != "":
		return fmt.Errorf("close device %d: memory never freed: %s", c.device.Ordinal, leaked)
	}
	return nil
}

// call runs one driver function with the context current in this OS thread,
// which is where the driver keeps it.
func (c *Context) call(op string, f func() Result) error {
	if c.closed.Load() {
		return fmt.Errorf("%s: context of device %d: %w", op, c.device.Ordinal, ErrClosed)
	}
	if e := c.lost.Load(); e != nil {
		return e
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := c.drv.setContext(c.handle)
	if r == Success {
		r = f()
	}
	if r == Success {
		return nil
	}
	return c.failure(&Error{Op: op, Code: r})
}

// failure completes an error with what the context knows, and remembers one
// that ends the context.
func (c *Context) failure(e *Error) error {
	if e.Detail == "" {
		e.Detail = c.drv.message()
	}
	if e.Code == SymbolNotFound {
		e.Detail = "the driver has no function " + c.drv.missing()
	}
	if e.Code.sticky() {
		if last := c.last.Load(); last != nil && e.Kernel == "" {
			e.Kernel = *last
		}
		c.lost.CompareAndSwap(nil, e)
		return c.lost.Load()
	}
	return e
}

// pool keeps freed device memory for the next allocation of the same size
// class, and counts what every owner holds.
type pool struct {
	mu     sync.Mutex
	keep   bool // false: freed memory goes back at once
	spare  map[int64][]Address
	owners map[string]int64
	usage  Usage
}
