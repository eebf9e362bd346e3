// Package cuda is the GPU driver for the rest of the program: what
// github.com/barnex/cuda5 offers and what it lacks (graphs, events, function
// attributes, the compiler's log), with Go errors, memory that has an owner,
// and no CUDA toolkit.
//
//	Devices, Open ── Context ─┬─ Memory   device memory: owner, accounting, pool
//	                          ├─ Pinned   host memory that asynchronous copies may touch
//	                          ├─ Module ── Function   a kernel; Launch checks its arguments
//	                          └─ Stream ─┬─ Event
//	                                     └─ Graph     recorded work, launched as one
//
// A binary built without the cuda tag or cgo, or not for Linux, has the same
// API, and [Open] and [Devices] return an error that wraps [ErrNoDevice]. One
// built with them needs the C library only: driver/loader.c opens libcuda.so.1
// at the first call, or the library that MDLSTM_CUDA_LIBRARY names (kernels/emu
// builds one that runs the kernels on the processor).
//
// Below the exported types lies the unexported interface driver: one method a
// driver function, returning its [Result]. driver_cuda.go implements it, and is
// the only place that knows cuda5, cgo and cuda5's panics.
//
// Work on a stream is asynchronous. A kernel's fault shows at a later call, and
// the error then names the kernel launched last; with MDLSTM_SYNC=1 every
// launch is waited for, graphs run a kernel at a time, and the error names the
// kernel at fault. MDLSTM_POOL=0, which MDLSTM_SYNC=1 implies, takes exactly the
// memory that was asked for and gives it back at once, so that tools see every
// use beyond its end or its life.
//
// A [Context] and what it makes may be used by several goroutines, except that
// a stream being captured belongs to the function given to [Context.Capture].
package cuda
