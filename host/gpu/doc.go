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
//	                 └─ slots    two: the rows and tables of a batch, host and device
//	Kernels   a method a kernel, used by stages; a function of its arguments alone
//
// # A step
//
// Load checks a batch, writes it and the tables of its schedule into a slot and
// queues their copy on a stream of its own. Gradients launches two recorded
// graphs: forward with the loss, then backward. It returns as soon as the loss
// is known, while backward still runs; the other slot is free for the next
// batch meanwhile. Update launches one more graph: norm and optimizer. A step of
// one small layer is 8 kernels:
//
//	forward    input projection · wavefronts (one sweep) · head, loss and their gradients
//	backward   wavefronts · weight gradients · their reduction into the arena
//	update     norm · optimizer
//
// A graph is recorded at its first use and serves every batch within the plan's
// capacity: kernels read the numbers of rows and wavefronts, and the scalars of
// a pass, from device memory. There is one for each slot, because addresses
// differ, and for each choice of kernels. MDLSTM_SYNC=1 runs the same launches
// one by one.
//
// # The same bits
//
// Which kernels a layer runs, a launch a wavefront or a sweep, follows from the
// batch and the device, not from the plan's room; sums have an order that
// follows from the batch and the model. So a batch gives the same bits in every
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
