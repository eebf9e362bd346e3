package mdlstm

import (
	"mdlstm-gpu/host/compute"
	"mdlstm-gpu/host/gpu"
)

// Options are those of [New] and [Load]: what computes, and how. The zero value is
// fine. What makes no sense, and what this machine or build does not have, is
// refused by errors that begin with "options:" and the field, and wrap
// [ErrNoDevice] where it is a GPU that is missing.
type Options struct {
	// Seed decides the first parameters of New. Load does not use it.
	Seed uint64

	// Device computes: Auto, CPU or GPU.
	Device Device
	// Threads are the cores, up to 4096, that one call uses: on the CPU to compute;
	// beside a GPU to make batches, see [Forker]. 0 = GOMAXPROCS. The results do not
	// depend on it.
	Threads int
	// Engines bounds how many calls compute at once, up to 4096, others wait; 0 =
	// GOMAXPROCS on the CPU, 1 on a GPU. Each takes memory: 24 bytes a parameter, and
	// what a batch needs.
	Engines int

	// BLAS multiplies matrices on the CPU; "" = the fastest. A GPU has products of
	// its own.
	BLAS BLAS

	// Kernels compute the mdlstm layers on a GPU; "" = those that suit shapes and
	// device. Kernels that cannot run a layer are refused, with an error that wraps
	// [ErrShape], by the first call that computes it. They are refused where Device
	// is CPU, and not used where Auto finds no GPU.
	Kernels Kernels
	// Precision is that of the products of mdlstm layers of 64 hidden units and more
	// on a GPU; "" = Float32. The others need compute capability 8.0 (Ampere), and
	// are refused where the CPU computes, also where that is what Auto finds.
	Precision Precision

	// Recompute makes training compute gates again in the backward pass instead of
	// keeping them, on both devices: on large grids about a fifth of the memory for
	// about a third more time.
	Recompute bool
	// Temp is the folder of the temporary file in which Predict and Evaluate keep
	// what the memory does not hold, on the CPU; "" = os.TempDir(). It must exist.
	Temp string
}

// Device says what shall compute.
type Device = compute.Device

// The devices. Auto is the first NVIDIA GPU that can, in programs built with the
// tag cuda, else the CPU; [Model.Info] says which it is. GPU is the GPU or an
// error that says why there is none, never the CPU. CUDA_VISIBLE_DEVICES chooses
// among GPUs.
const (
	Auto = compute.Auto
	CPU  = compute.CPU
	GPU  = compute.GPU
)

// BLAS says what multiplies matrices on the CPU. The last bits of results differ
// from one to the other.
type BLAS = compute.BLAS

// The products of the CPU. BLASAuto is the first of the others that can.
const (
	BLASAuto     = compute.BLASAuto
	BLASBuiltin  = compute.BLASBuiltin  // needs a processor with AVX2 and FMA, or AVX-512
	BLASOpenBLAS = compute.BLASOpenBLAS // in programs built with the tag openblas
	BLASGonum    = compute.BLASGonum    // portable Go
)

// Kernels says how mdlstm layers are computed on a GPU.
type Kernels = gpu.KernelFamily

// The kernels.
const (
	KernelsAuto      = gpu.KernelsAuto      // a function of shapes and device
	KernelsWavefront = gpu.KernelsWavefront // a launch a diagonal; any layer
	KernelsSweep     = gpu.KernelsSweep     // one launch a layer, whose weights fit on chip
	KernelsCluster   = gpu.KernelsCluster   // a sweep on several multiprocessors a sample; from compute capability 9.0 (Hopper) on
)

// Precision says how exactly products are computed on a GPU.
type Precision = gpu.Precision

// The precisions, from the most exact to the least. Sums, cell states and
// parameters are float32 in all.
const (
	Float32 = gpu.Float32
	TF32x3  = gpu.TF32x3 // on tensor cores, with errors near those of Float32
	TF32    = gpu.TF32   // on tensor cores, factors of 11 significant bits
	BF16    = gpu.BF16   // TF32 that keeps gates for the backward pass in bfloat16, half the memory
)
