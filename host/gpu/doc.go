// Package gpu computes models on a GPU: the engine on host/cuda and the kernels
// of package kernels.
//
// # Parts
//
//	Engine ─┬─ parameters, gradients, moments: one array each, in model-file order
//	        ├─ packed weights: copies as the products like them, kept up to date by the optimizer
//	        └─ plan ─┬─ levels   the grids: after the view, behind each window or sum
//	                 ├─ stages   what is computed, one behind the other
//	                 ├─ work     all that stages keep on the device, one allocation
//	                 └─ intake   the rows and tables of a batch: pinned, arriving, and where kernels read them
//	Kernels   a method a kernel, used by stages; a function of its arguments alone
//
// # A step
//
// Load checks a batch, writes it and the tables of its schedule into pinned
// memory and queues their copy into a second buffer, on a stream of its own.
// Gradients takes them from there and launches one recorded graph: forward with
// the loss, whose sums the kernel stores in pinned memory, an event that says so,
// then backward. It returns at the event, while backward still runs; the second
// buffer is free for the next batch meanwhile. Update launches one more graph. A
// step of one small layer is 7 kernels and the event, 8 nodes:
//
//	gradients  input projection · wavefronts (one sweep) · head, loss and their gradients · event ·
//	           wavefronts · weight gradients · their reduction into the arena
//	update     norm and optimizer: one launch for up to 8192 parameters, else two
//
// A graph is recorded at its first use and serves every batch within the plan's
// capacity: kernels read the numbers of rows and wavefronts, and the scalars of
// a pass, from device memory, and addresses never change. There is one for each
// choice of kernels. MDLSTM_SYNC=1 runs the same launches one by one.
//
// # The same bits
//
// Which kernels a layer runs, a launch a wavefront, a sweep, or a sweep in
// clusters with the same bits, follows from the batch and the device, not from
// the plan's room; sums have an order that follows from the batch and the model. So a batch gives the same bits in every
// plan that holds it, and a resumed run those of one that was never interrupted.
//
// # Arrays
//
// Row C, one behind the capacity of a level, is its row of zeros; tables lead
// there where the schedule says that there is nothing. Deeper levels get room in
// proportion to the samples that the plan was made for; a batch that needs more
// there (thin samples under a window) has the plan built anew, once.
//
// # Builds
//
// host/cuda hides whether this binary knows CUDA: without the cuda tag [New]
// returns its error, which wraps [cuda.ErrNoDevice]. Nothing here ever falls
// back to the CPU.
//
// # Letters
//
// B samples, D axes, K inputs, H hidden, G = D+3 gates in the order i, g, f_0 …
// f_{D-1}, o, R directions, T rows of a batch, C rows of capacity.
package gpu
