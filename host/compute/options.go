package compute

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mdlstm-gpu/host/gpu"
)

// Device says what shall compute.
type Device string

// The devices. Auto is the first NVIDIA GPU that can, in programs built with the
// tag cuda, else the CPU; an emulated GPU is never taken without being asked for.
// GPU is a GPU or an error, never the CPU.
const (
	Auto Device = ""
	CPU  Device = "cpu"
	GPU  Device = "gpu"
)

// BLAS says what multiplies matrices on the CPU.
type BLAS string

// The products of the CPU. BLASAuto is the first of the others that can: Builtin
// is written for AVX2 and AVX-512, OpenBLAS is in programs built with the tag
// openblas, Gonum is portable Go.
const (
	BLASAuto     BLAS = ""
	BLASBuiltin  BLAS = "builtin"
	BLASGonum    BLAS = "gonum"
	BLASOpenBLAS BLAS = "openblas"
)

// All values of the options that have names, as they are listed to people.
var (
	Devices = []Device{Auto, CPU, GPU}
	Kernels = []gpu.KernelFamily{gpu.KernelsAuto, gpu.KernelsWavefront, gpu.KernelsSweep, gpu.KernelsCluster}
	BLASes  = []BLAS{BLASAuto, BLASBuiltin, BLASGonum, BLASOpenBLAS}
)

// MaxThreads bounds Options.Threads: beyond it a typing error is likelier than a
// machine.
const MaxThreads = 4096

// Options say what shall compute, and how. The zero value is the first GPU that
// can, else the CPU, with what is fastest there.
type Options struct {
	Device  Device
	Threads int  // cores of the CPU's engine, and of what makes batches beside a GPU; 0 = GOMAXPROCS
	BLAS    BLAS // of the CPU; a GPU has products of its own

	Kernels   gpu.KernelFamily // of mdlstm layers; for GPUs only
	Precision gpu.Precision    // of products; the CPU has Float32, which "" is too

	// Recompute the gates in the backward pass instead of keeping them: less memory,
	// more time.
	Recompute bool
	// Temp is the folder of the temporary file that takes what the CPU's memory does
	// not hold when it predicts; "" = os.TempDir().
	Temp string

	// Profile times the kernels of a GPU, see [gpu.Engine.KernelTimes]; the CPU refuses
	// it.
	Profile bool

	// Turn is that of this process among those of the machine, from 0: each takes
	// another GPU, see [cuda.UsableAt].
	Turn int
}

// OptionError says that an option cannot be had.
type OptionError struct {
	Option string // a field of Options: "Precision"
	Value  any    // of that field; nil where it is yes or no
	Err    error  // why, and what to do
}

// Error names the option and its value, says why it cannot be had, and what can.
func (e *OptionError) Error() string {
	switch e.Value.(type) {
	case nil:
		return fmt.Sprintf("options: %s: %v", e.Option, e.Err)
	case int:
		return fmt.Sprintf("options: %s %d: %v", e.Option, e.Value, e.Err)
	}
	return fmt.Sprintf("options: %s %.40q: %v", e.Option, e.Value, e.Err)
}

// Unwrap is the reason.
func (e *OptionError) Unwrap() error { return e.Err }

func refuse(option string, value any, format string, args ...any) error {
	return &OptionError{option, value, fmt.Errorf(format, args...)}
}

// Check refuses options that no machine has, with an *[OptionError].
func (o Options) Check() error {
	for _, err := range []error{
		oneOf("Device", o.Device, Devices, "auto"),
		oneOf("Kernels", o.Kernels, Kernels, "auto"),
		oneOf("BLAS", o.BLAS, BLASes, "auto"),
		oneOf("Precision", o.Precision, append(slices.Clone(gpu.Precisions), ""), string(gpu.Float32)),
	} {
		if err != nil {
			return err
		}
	}
	switch {
	case o.Threads < 0 || o.Threads > MaxThreads:
		return refuse("Threads", o.Threads, "want 0 (all cores) to %d", MaxThreads)
	case o.Kernels != gpu.KernelsAuto && o.Device == CPU:
		return refuse("Kernels", o.Kernels, "it goes with a GPU, and device cpu was asked for: leave one out")
	case o.lowers() && o.Device == CPU:
		return refuse("Precision", o.Precision, "device cpu computes in float32: ask for device gpu, or for float32")
	case o.Profile && o.Device == CPU:
		return noProfile(errors.New("device cpu was asked for: leave one out"))
	}
	return nil
}

// oneOf refuses a value that has no meaning; none says what the empty one means.
func oneOf[T ~string](option string, value T, all []T, none string) error {
	if slices.Contains(all, value) {
		return nil
	}
	var names []string
	for _, v := range all {
		if v != "" {
			names = append(names, fmt.Sprintf("%q", string(v)))
		}
	}
	return refuse(option, value, "want %s or none (%s)", strings.Join(names, ", "), none)
}

// noProfile refuses the profile: why is why there is no GPU.
func noProfile(why error) error {
	return refuse("Profile", nil, "it times the kernels of a GPU: %w", why)
}

// lowers says whether a precision was asked for that only GPUs have.
func (o Options) lowers() bool { return o.Precision != "" && o.Precision != gpu.Float32 }
