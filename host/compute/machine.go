package compute

import (
	"errors"
	"os"
	"runtime"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/cpu/openblas"
	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/nn"
)

// Machine is what computes, once it is found.
type Machine struct {
	Options
	GPU *cuda.Device // nil: the CPU
	// Passed is why [Auto] passed over the GPU; nil where it took one or was not
	// asked.
	Passed error
}

// errEmulated is why Auto passes over an emulator.
var errEmulated = errors.New("the only GPU is emulated, and taken only when device gpu is asked for")

// Find checks the options and looks for the GPU. What the options ask for and
// this machine or build does not have is an *[OptionError], which for want of a
// GPU wraps [cuda.ErrNoDevice]. A library named by MDLSTM_CUDA_LIBRARY that is no
// driver is an error whatever the device, unless it is [CPU].
func Find(o Options) (Machine, error) {
	m := Machine{Options: o}
	if err := o.Check(); err != nil {
		return m, err
	}
	if _, _, ok := openblas.Implementation(); o.BLAS == BLASOpenBLAS && !ok {
		return m, refuse("BLAS", o.BLAS, "this build has no OpenBLAS: leave it out, or build with -tags openblas (needs a C compiler and libopenblas)")
	}
	if o.BLAS == BLASBuiltin && cpu.BuiltIn() == "" {
		return m, refuse("BLAS", o.BLAS, "this processor has no AVX2 and FMA: use gonum")
	}
	if o.Temp != "" {
		if info, err := os.Stat(o.Temp); err != nil || !info.IsDir() {
			return m, refuse("Temp", o.Temp, "no such folder: make it, or name another")
		}
	}
	if o.Device == CPU {
		return m, nil
	}
	d, err := cuda.UsableAt(o.Turn)
	switch {
	case err != nil && o.Device == GPU:
		return m, &OptionError{"Device", o.Device, err}
	case err != nil && !errors.Is(err, cuda.ErrNoDevice):
		return m, err
	case err == nil && d.Emulated && o.Device == Auto:
		err = errEmulated
	}
	if err != nil {
		m.Passed = err
		if o.lowers() {
			return m, refuse("Precision", o.Precision, "the CPU computes in float32, and no GPU is taken: %w", err)
		}
		if o.Profile {
			return m, noProfile(err)
		}
		return m, nil
	}
	if err := o.Precision.Usable(d.Capability); err != nil {
		return m, &OptionError{"Precision", o.Precision, err}
	}
	m.GPU = d
	return m, nil
}

// Open makes an engine for a model, its parameters zero. Errors of memory wrap
// [engine.ErrMemory]. Several engines may be open at once.
func (m Machine) Open(model *nn.Model) (engine.Engine, error) {
	if m.GPU != nil {
		return opened(gpu.New(model, gpu.Options{
			Device: m.GPU.Ordinal, Kernels: m.Kernels, Precision: m.Precision, Recompute: m.Recompute, Profile: m.Profile,
		}))
	}
	o := cpu.Options{Threads: m.Options.Threads, Temp: m.Temp, Recompute: m.Recompute}
	switch blas, name, ok := openblas.Implementation(); {
	case m.BLAS == BLASGonum:
		o.BLAS, o.BLASName = cpu.Gonum()
	case m.BLAS == BLASOpenBLAS, m.BLAS == BLASAuto && cpu.BuiltIn() == "" && ok:
		o.BLAS, o.BLASName = blas, name
	}
	return opened(cpu.New(model, o))
}

// opened makes the nil of a failed New one of the interface's.
func opened[E engine.Engine](e E, err error) (engine.Engine, error) {
	if err != nil {
		return nil, err
	}
	return e, nil
}

// cores are those that may be used.
func (m Machine) cores() int {
	if m.Options.Threads == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return m.Options.Threads
}

// EngineThreads is how many cores compute; 0 when it is not the cores that do.
func (m Machine) EngineThreads() int {
	if m.GPU != nil {
		return 0
	}
	return m.cores()
}

// mostWorkers bounds the batches that are made at once: each takes memory.
const mostWorkers = 16

// BatchWorkers is how many batches are made at once while a step is under way, for
// [task.Ahead]: beside a GPU one on each core but that of the step; where the cores
// compute the step, one.
func (m Machine) BatchWorkers() int {
	if m.GPU == nil {
		return 1
	}
	return min(max(m.cores()-1, 1), mostWorkers)
}
