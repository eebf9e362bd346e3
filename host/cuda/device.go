package cuda

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// What the PTX of package kernels needs: its .version 8.0 is CUDA 12.0's, its
// lowest .target is sm_75.
const (
	MinDriver     = 12000 // CUDA 12.0, as cuDriverGetVersion writes it
	MinDriverName = "R525 (CUDA 12.0)"
	MinCapability = 75 // compute capability 7.5
)

// Device is what a GPU says about itself.
type Device struct {
	Ordinal    int
	Name       string
	Capability int   // compute capability, major·10 + minor: 75, 90
	Driver     int   // version of CUDA that the driver knows: 12040 is 12.4
	Memory     int64 // bytes
	Emulated   bool  // kernels/emu: the processor plays the GPU

	Multiprocessors          int
	ThreadsPerMultiprocessor int
	RegistersPerMultiproc    int
	SharedPerMultiprocessor  int  // bytes
	SharedPerBlock           int  // bytes a kernel may use without asking
	SharedPerBlockOptin      int  // bytes after Function.SetDynamicShared
	MaxThreads               int  // of a block
	MaxGrid                  int  // blocks along x
	Clusters                 bool // Function.LaunchCluster works
	L2                       int  // bytes
	ClockKHz, MemoryClockKHz int  // 0 where the driver no longer tells
	MemoryBusBits            int
}

// Usable is nil when the kernels run on the device, else it wraps
// [ErrNoDevice] and says what is wrong.
func (d *Device) Usable() error {
	if d.Capability < MinCapability {
		return fmt.Errorf("%w: device %d, %s, has compute capability %d.%d: want %d.%d or newer (Turing, 2018)", ErrNoDevice,
			d.Ordinal, d.Name, d.Capability/10, d.Capability%10, MinCapability/10, MinCapability%10)
	}
	return nil
}

// Devices lists the GPUs of this machine, usable or not. Its errors are those
// of [Open], except for a device's own.
func Devices() ([]Device, error) {
	runtime.LockOSThread() // nothing here needs it but the driver's last message
	defer runtime.UnlockOSThread()
	drv, version, count, err := startDriver(newDriver)
	if err != nil {
		return nil, err
	}
	devices := make([]Device, count)
	for i := range devices {
		if devices[i], err = describe(drv, i, version); err != nil {
			return nil, err
		}
	}
	return devices, nil
}

// startDriver opens the library and checks that it is new enough and has a
// device.
func startDriver(open func() (driver, error)) (drv driver, version, count int, err error) {
	if drv, err = open(); err != nil {
		return nil, 0, 0, err
	}
	if r := drv.start(); r != Success && r != NoDevice {
		return nil, 0, 0, startError(drv, r)
	}
	version, r := drv.version()
	if r != Success {
		return nil, 0, 0, startError(drv, r)
	}
	if version < MinDriver {
		return nil, 0, 0, fmt.Errorf("%w: the NVIDIA driver knows CUDA %d.%d, the kernels need driver %s or newer: update it",
			ErrNoDevice, version/1000, version%1000/10, MinDriverName)
	}
	count, r = drv.deviceCount()
	switch {
	case r == NoDevice || (r == Success && count == 0):
		return nil, 0, 0, fmt.Errorf("%w: the NVIDIA driver finds no GPU: is one fitted, and visible (CUDA_VISIBLE_DEVICES)?", ErrNoDevice)
	case r != Success:
		return nil, 0, 0, startError(drv, r)
	}
	return drv, version, count, nil
}

// startError explains why the driver does not start.
func startError(drv driver, r Result) error {
	chosen := os.Getenv("MDLSTM_CUDA_LIBRARY") != ""
	switch {
	case r == LibraryNotOpened && chosen:
		return fmt.Errorf("%s: name a CUDA driver library, or unset it", drv.refused())
	case r == LibraryNotOpened:
		return fmt.Errorf("%w: no NVIDIA driver: %s: install driver %s or newer", ErrNoDevice, drv.refused(), MinDriverName)
	case r == SymbolNotFound && chosen:
		return fmt.Errorf("MDLSTM_CUDA_LIBRARY: %s has no function %s: name a CUDA driver library, or unset it",
			os.Getenv("MDLSTM_CUDA_LIBRARY"), drv.missing())
	case r == SymbolNotFound:
		return fmt.Errorf("%w: the NVIDIA driver has no function %s: install driver %s or newer", ErrNoDevice, drv.missing(), MinDriverName)
	case r == StubLibrary:
		return fmt.Errorf("%w: the library found is the toolkit's stub, not the driver: remove its folder from LD_LIBRARY_PATH", ErrNoDevice)
	}
	return fmt.Errorf("%w: the NVIDIA driver does not start: %w", ErrNoDevice, &Error{Op: "cuInit", Code: r, Detail: drv.message()})
}

// describe asks a device for everything in Device.
func describe(drv driver, ordinal, version int) (Device, error) {
	d := Device{Ordinal: ordinal, Driver: version, Emulated: drv.counters(new(Counters))}
	var errs []error
	check := func(op string, r Result) {
		if r != Success {
			errs = append(errs, &Error{Op: op, Code: r})
		}
	}
	ask := func(a attribute) int {
		v, r := drv.deviceAttribute(ordinal, a)
		check("cuDeviceGetAttribute", r)
		return v
	}
	var r Result
	d.Name, r = drv.deviceName(ordinal)
	check("cuDeviceGetName", r)
	d.Memory, r = drv.deviceMemory(ordinal)
	check("cuDeviceTotalMem", r)
	d.Capability = 10*ask(attributeMajor) + ask(attributeMinor)
	d.Multiprocessors = ask(attributeMultiprocessors)
	d.ThreadsPerMultiprocessor = ask(attributeThreadsPerMultiproc)
	d.RegistersPerMultiproc = ask(attributeRegsPerMultiproc)
	d.SharedPerMultiprocessor = ask(attributeSharedPerMultiproc)
	d.SharedPerBlock = ask(attributeSharedPerBlock)
	d.SharedPerBlockOptin = ask(attributeSharedPerBlockOptin)
	d.MaxThreads = ask(attributeMaxThreadsPerBlock)
	d.MaxGrid = ask(attributeMaxGridX)
	d.Clusters = ask(attributeClusterLaunch) != 0
	d.L2 = ask(attributeL2)
	d.ClockKHz = ask(attributeClockKHz)
	d.MemoryClockKHz = ask(attributeMemoryClockKHz)
	d.MemoryBusBits = ask(attributeMemoryBusWidth)
	return d, errors.Join(errs...)
}
