package cuda

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Module is compiled PTX on a device.
type Module struct {
	c      *Context
	handle handle
	name   string
}

// Load compiles PTX for the device. The name appears in errors, which carry the
// compiler's log. A driver too old for the PTX's .version is said to be so.
func (c *Context) Load(name, ptx string) (*Module, error) {
	m := &Module{c: c, name: name}
	var log string
	err := c.call("cuModuleLoadDataEx", func() (r Result) {
		m.handle, log, r = c.drv.loadModule(ptx)
		return r
	})
	if err == nil {
		return m, nil
	}
	if e := (*Error)(nil); errors.As(err, &e) && c.Lost() == nil {
		if log != "" {
			e.Detail = log
		}
		switch e.Code {
		case UnsupportedPTXVersion:
			e.Detail = fmt.Sprintf("its .version %s is newer than the driver, which knows CUDA %d.%d: the program needs driver %s or newer",
				directive(ptx, ".version"), c.device.Driver/1000, c.device.Driver%1000/10, MinDriverName)
		case NoBinaryForGPU:
			e.Detail = fmt.Sprintf("its .target %s is newer than the device, compute capability %d.%d",
				directive(ptx, ".target"), c.device.Capability/10, c.device.Capability%10)
		}
	}
	return nil, fmt.Errorf("load PTX of %s: %w", name, err)
}

// directive is what follows a directive of PTX on its line.
func directive(ptx, name string) string {
	for line := range strings.Lines(ptx) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "(none)"
}

// Close unloads the module. Its functions may not be used after.
func (m *Module) Close() error {
	if m.handle == 0 || m.c.closed.Load() {
		return nil
	}
	h := m.handle
	m.handle = 0
	return m.c.call("cuModuleUnload", func() Result { return m.c.drv.unloadModule(h) })
}

// Function is a kernel.
type Function struct {
	c      *Context
	handle handle
	name   string
	params string
}

// Function finds a kernel. Params are the letters of its parameters (p, i, f:
// see [Argument]), which every launch is held to.
func (m *Module) Function(name, params string) (*Function, error) {
	f := &Function{c: m.c, name: name, params: params}
	err := m.c.call("cuModuleGetFunction", func() (r Result) {
		f.handle, r = m.c.drv.function(m.handle, name)
		return r
	})
	if err != nil {
		return nil, fmt.Errorf("kernel %s of %s: %w", name, m.name, err)
	}
	return f, nil
}

// Name is the kernel's name.
func (f *Function) Name() string { return f.name }

// FunctionAttributes is what the compiler made of a kernel.
type FunctionAttributes struct {
	MaxThreads int // of a block: what __launch_bounds__ and registers allow
	Registers  int // a thread
	Local      int // bytes a thread: spills and arrays
	Shared     int // bytes a block, static
	PTX        int // compute capability that the PTX is for: 75
	Binary     int // compute capability that it was compiled for: 90
}

// Attributes asks the driver about the compiled kernel.
func (f *Function) Attributes() (a FunctionAttributes, err error) {
	for _, x := range []struct {
		which functionAttribute
		to    *int
	}{
		{functionMaxThreads, &a.MaxThreads}, {functionRegisters, &a.Registers}, {functionLocal, &a.Local},
		{functionShared, &a.Shared}, {functionPTXVersion, &a.PTX}, {functionBinaryVersion, &a.Binary},
	} {
		err = f.call("cuFuncGetAttribute", func() (r Result) {
			*x.to, r = f.c.drv.functionAttribute(f.handle, x.which)
			return r
		})
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

// SetDynamicShared lets launches ask for up to bytes of dynamic shared memory;
// without it the limit is 48 KiB less the kernel's static arrays. A device
// offers Device.SharedPerBlockOptin at most.
func (f *Function) SetDynamicShared(bytes int) error {
	return f.call("cuFuncSetAttribute", func() Result {
		return f.c.drv.setFunctionAttribute(f.handle, functionMaxDynamicSharedBytes, bytes)
	})
}

// Occupancy is how many blocks of so many threads and bytes of dynamic shared
// memory one multiprocessor holds at a time; 0 when not even one fits.
func (f *Function) Occupancy(threads, shared int) (blocks int, err error) {
	err = f.call("cuOccupancyMaxActiveBlocksPerMultiprocessor", func() (r Result) {
		blocks, r = f.c.drv.occupancy(f.handle, threads, shared)
		return r
	})
	return blocks, err
}

// call names the kernel in the error of a function about it.
func (f *Function) call(op string, do func() Result) error {
	if err := f.c.call(op, do); err != nil {
		return fmt.Errorf("kernel %s: %w", f.name, err)
	}
	return nil
}

// Dim is the size of a grid in blocks or of a block in threads. A side of 0 is
// 1.
type Dim struct{ X, Y, Z int }

func (d Dim) filled() Dim { return Dim{max(d.X, 1), max(d.Y, 1), max(d.Z, 1)} }

// Argument is one argument of a kernel.
type Argument struct {
	kind byte // the letter in Function's params
	bits uint64
}

// Pointer is a pointer argument, letter p.
func Pointer(a Address) Argument { return Argument{'p', uint64(a)} }

// Int is a 32-bit integer argument, letter i.
func Int(v int32) Argument { return Argument{'i', uint64(uint32(v))} }

// Float is a 32-bit floating-point argument, letter f.
func Float(v float32) Argument { return Argument{'f', uint64(math.Float32bits(v))} }

// Launch queues the kernel on s with a grid of blocks, each of so many threads
// and bytes of dynamic shared memory, and returns without waiting. An empty
// grid is no work and no error. Arguments that do not fit the kernel's
// parameters are an error that wraps [ErrRange], and nothing is launched.
func (f *Function) Launch(s *Stream, grid, block Dim, shared int, arguments ...Argument) error {
	return f.launch("cuLaunchKernel", s, grid, block, shared, arguments, func(grid, block Dim, bits []uint64) Result {
		return f.c.drv.launch(f.handle, grid, block, shared, s.handle, bits)
	})
}

// maxCluster is how many blocks a cluster has at most on every device that has
// clusters.
const maxCluster = 8

// LaunchCluster is Launch in clusters: blocks that run at the same time on
// neighbouring multiprocessors. A device without them (compute capability below
// 9.0), more than 8 blocks, and a grid that is no multiple of the cluster are
// errors that wrap [ErrRange].
func (f *Function) LaunchCluster(s *Stream, grid, block, cluster Dim, shared int, arguments ...Argument) error {
	whole := grid.filled()
	cluster = cluster.filled()
	switch d := f.c.device; {
	case !d.Clusters:
		return fmt.Errorf("kernel %s: clusters: %s has none, compute capability 9.0 is needed: %w", f.name, d.Name, ErrRange)
	case cluster.X > maxCluster || cluster.Y > maxCluster || cluster.Z > maxCluster || cluster.X*cluster.Y*cluster.Z > maxCluster:
		return fmt.Errorf("kernel %s: a cluster of %d×%d×%d blocks, at most %d: %w", f.name, cluster.X, cluster.Y, cluster.Z, maxCluster, ErrRange)
	case whole.X%cluster.X != 0 || whole.Y%cluster.Y != 0 || whole.Z%cluster.Z != 0:
		return fmt.Errorf("kernel %s: a grid of %d×%d×%d blocks is no multiple of the cluster of %d×%d×%d: %w", f.name,
			whole.X, whole.Y, whole.Z, cluster.X, cluster.Y, cluster.Z, ErrRange)
	}
	return f.launch("cuLaunchKernelEx", s, grid, block, shared, arguments, func(grid, block Dim, bits []uint64) Result {
		return f.c.drv.launchCluster(f.handle, grid, block, cluster, shared, s.handle, bits)
	})
}

func (f *Function) launch(op string, s *Stream, grid, block Dim, shared int, arguments []Argument, launch func(grid, block Dim, bits []uint64) Result) error {
	if grid.X == 0 {
		return nil
	}
	if err := f.check(arguments); err != nil {
		return err
	}
	grid, block = grid.filled(), block.filled()
	bits := make([]uint64, len(arguments))
	for i, a := range arguments {
		bits[i] = a.bits
	}
	c := f.c
	queue := func() error {
		err := c.call(op, func() Result {
			c.last.Store(&f.name)
			return launch(grid, block, bits)
		})
		if e := (*Error)(nil); errors.As(err, &e) && !e.Code.sticky() {
			e.Kernel, e.Exact = f.name, true
			e.Detail = strings.TrimPrefix(fmt.Sprintf("%s; grid %d×%d×%d, block %d×%d×%d, %d bytes of shared memory", e.Detail,
				grid.X, grid.Y, grid.Z, block.X, block.Y, block.Z, shared), "; ")
		}
		return err
	}
	var err error
	if p := c.profile.Load(); p != nil && c.capturing.Load() == 0 {
		err = p.around(s, f.name, queue)
	} else {
		err = queue()
	}
	if err != nil || !c.sync || c.capturing.Load() > 0 {
		return err
	}
	if err = s.Wait(); err != nil {
		return c.blame(err, f.name)
	}
	return nil
}

// blame says that a kernel is at fault for the error that ended the context.
func (c *Context) blame(err error, kernel string) error {
	if e := c.lost.Load(); e != nil && !e.Exact && e.Kernel == kernel {
		exact := *e
		exact.Exact = true
		c.lost.Store(&exact)
		return &exact
	}
	return err
}

// check holds arguments against the kernel's parameters.
func (f *Function) check(arguments []Argument) error {
	if len(arguments) != len(f.params) {
		return fmt.Errorf("kernel %s: got %d arguments, want %d (%s): %w", f.name, len(arguments), len(f.params), f.params, ErrRange)
	}
	for i, a := range arguments {
		if a.kind != f.params[i] {
			return fmt.Errorf("kernel %s: argument %d: got %c, want %c: %w", f.name, i, a.kind, f.params[i], ErrRange)
		}
	}
	return nil
}
