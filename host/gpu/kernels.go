package gpu

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/kernels"
)

// Kernels launches the kernels of package kernels on one device, a method an
// entry point. A module is compiled for the device when its first kernel is
// asked for, so nothing may be capturing then: [Kernels.Load] does it ahead.
//
// Methods queue work on the stream they are given and return without waiting;
// they allocate nothing on the device. What they are given is checked before
// anything is queued: errors wrap [ErrShape], or are the driver's.
type Kernels struct {
	c *cuda.Context

	mu        sync.Mutex
	modules   map[string]*cuda.Module
	variants  map[string]int
	functions map[string]*function
}

// function is a kernel that was loaded.
type function struct {
	*cuda.Function
	threads int
	shared  int // bytes of dynamic shared memory that launches may ask for
}

// defaultShared is what a kernel may use without being allowed more.
const defaultShared = 48 << 10

// NewKernels makes the kernels of a device. Nothing is compiled yet.
func NewKernels(c *cuda.Context) *Kernels {
	return &Kernels{c: c, modules: map[string]*cuda.Module{}, variants: map[string]int{}, functions: map[string]*function{}}
}

// Load compiles files of kernels (names as in [kernels.Files]) for the device;
// without names, all that it can run. Files that are loaded already cost nothing.
func (k *Kernels) Load(files ...string) error {
	if len(files) == 0 {
		files = kernels.FilesFor(k.c.Device().Capability)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, file := range files {
		if err := k.load(file); err != nil {
			return err
		}
	}
	return nil
}

// load is Load of one file, with the lock held.
func (k *Kernels) load(file string) error {
	if k.modules[file] != nil {
		return nil
	}
	ptx, variant, err := kernels.PTX(file, k.c.Device().Capability)
	if err != nil {
		return err
	}
	m, err := k.c.Load(file, ptx)
	if err != nil {
		return err
	}
	for _, e := range kernels.Entries() {
		if e.File != file {
			continue
		}
		f, err := m.Function(e.Name, e.Params)
		if err != nil {
			return errors.Join(err, m.Close())
		}
		k.functions[e.Name] = &function{Function: f, threads: e.Threads, shared: defaultShared}
	}
	k.modules[file], k.variants[file] = m, variant
	return nil
}

// Variants says for each file loaded so far which compute capability (75, 80,
// 90) its PTX was compiled for: it decides the bits.
func (k *Kernels) Variants() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make(map[string]int, len(k.variants))
	for file, v := range k.variants {
		out[file] = v
	}
	return out
}

// Close unloads everything.
func (k *Kernels) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for file, m := range k.modules {
		errs = append(errs, m.Close())
		delete(k.modules, file)
	}
	clear(k.functions)
	clear(k.variants)
	return errors.Join(errs...)
}

// function finds a kernel and allows it so many bytes of dynamic shared memory.
func (k *Kernels) function(name string, shared int) (*function, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.functions[name]
	if f == nil {
		for _, e := range kernels.Entries() {
			if e.Name == name {
				if err := k.load(e.File); err != nil {
					return nil, err
				}
			}
		}
		if f = k.functions[name]; f == nil {
			return nil, fmt.Errorf("kernel %s: not in the table of package kernels", name)
		}
	}
	if shared > f.shared {
		if limit := k.c.Device().SharedPerBlockOptin; shared > limit {
			return nil, fmt.Errorf("kernel %s: %w: %d bytes of shared memory, the device has %d", name, ErrShape, shared, limit)
		}
		if err := f.SetDynamicShared(shared); err != nil {
			return nil, err
		}
		f.shared = shared
	}
	return f, nil
}

// launch queues a kernel with a grid of blocks of the size in its table and so
// many bytes of dynamic shared memory. A grid with a side of 0 is no work and no
// error; one beyond the device's limits is an error that wraps [ErrShape].
func (k *Kernels) launch(s *cuda.Stream, name string, grid cuda.Dim, shared int, arguments ...cuda.Argument) error {
	if grid.X == 0 {
		return nil
	}
	if grid.X < 0 || grid.X > math.MaxInt32 || grid.Y < 0 || grid.Y > maxGridYZ || grid.Z < 0 || grid.Z > maxGridYZ {
		return fmt.Errorf("kernel %s: %w: a grid of %d×%d×%d blocks", name, ErrShape, grid.X, grid.Y, grid.Z)
	}
	f, err := k.function(name, shared)
	if err != nil {
		return err
	}
	return f.Launch(s, grid, cuda.Dim{X: f.threads}, shared, arguments...)
}

// launchCluster is launch in clusters of so many blocks along x, which share out
// twice the threads in the kernel's table.
func (k *Kernels) launchCluster(s *cuda.Stream, name string, grid cuda.Dim, blocks, shared int, arguments ...cuda.Argument) error {
	if grid.X < 1 || grid.X > math.MaxInt32 || grid.Y < 1 || grid.Y > maxGridYZ {
		return fmt.Errorf("kernel %s: %w: a grid of %d×%d blocks", name, ErrShape, grid.X, grid.Y)
	}
	f, err := k.function(name, shared)
	if err != nil {
		return err
	}
	return f.LaunchCluster(s, grid, cuda.Dim{X: 2 * f.threads / blocks}, cuda.Dim{X: blocks}, shared, arguments...)
}

// maxGridYZ is how many blocks a grid may have along y and z, on any device.
const maxGridYZ = 65535

// ErrShape is wrapped by errors about sizes that a kernel cannot work with.
var ErrShape = engine.ErrShape

// blocksOf is how many blocks of size take n things.
func blocksOf(n, size int) int { return (n + size - 1) / size }

// sizes collects what is wrong with a launch's sizes.
type sizes struct {
	name string
	err  error
}

func checking(kernel string) *sizes { return &sizes{name: kernel} }

// within wants from ≤ v ≤ to.
func (c *sizes) within(what string, v, from, to int) *sizes {
	if c.err == nil && (v < from || v > to) {
		c.err = fmt.Errorf("kernel %s: %w: %s is %d, want %d to %d", c.name, ErrShape, what, v, from, to)
	}
	return c
}

// positive wants 1 ≤ v < 2³¹.
func (c *sizes) positive(what string, v int) *sizes { return c.within(what, v, 1, math.MaxInt32) }

// product wants a product of sizes, none negative, below 2³¹: the kernel has it
// in 32 bits.
func (c *sizes) product(what string, v ...int) *sizes {
	p := 1
	for _, x := range v {
		if x < 0 || x > 0 && p > math.MaxInt32/x {
			if c.err == nil {
				c.err = fmt.Errorf("kernel %s: %w: %s is the product of %v, want less than 2³¹", c.name, ErrShape, what, v)
			}
			return c
		}
		p *= x
	}
	return c
}

// present wants an array that is there.
func (c *sizes) present(what string, a cuda.Address) *sizes {
	if c.err == nil && a == 0 {
		c.err = fmt.Errorf("kernel %s: %w: no array %s", c.name, ErrShape, what)
	}
	return c
}

// ptr, i32 and f32 are the arguments of kernels. i32 is for values that were
// checked to fit.
func ptr(a cuda.Address) cuda.Argument { return cuda.Pointer(a) }
func i32(v int) cuda.Argument          { return cuda.Int(int32(v)) }
func f32(v float64) cuda.Argument      { return cuda.Float(float32(v)) }
