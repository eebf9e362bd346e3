// Package cpu computes models on the CPU in float32: the portable engine, and
// the one that the GPU is compared with.
//
// # How work is cut
//
// A batch goes through all layers and back in parts of a few samples, about
// partBytes of what a step keeps each: so it is still in a cache when its
// gradients are made, and a batch takes no more memory than a part for each
// worker, inputs and targets apart. Where there are parts enough, each worker
// takes parts of its own and meets the others at the end of the step; else all
// share one part after the other, as follows.
//
// In one mdlstm layer directions never meet, and neither do samples, so the
// unit of work is a strand: one direction of one group of samples, which walks
// all its wavefronts alone, forward and then in reverse. Strands need no
// barrier. Where samples × directions are few and large, each wavefront of a
// strand is cut further into lanes of rows, and workers meet at a barrier after
// each wavefront.
//
//	layer ─┬─ direction ++ ─┬─ samples 0 … 3 ── wavefront 0, 1, 2, …   strand
//	       │                └─ samples 4 … 7 ── wavefront 0, 1, 2, …   strand
//	       └─ direction +- ─┬─ …                     └─ lane, lane
//
// A wavefront of a strand is a contiguous block of rows and is computed in
// tiles of at most tileRows rows: gather the inputs and the predecessors'
// outputs, one product with the stacked weights, then the gates while the tile
// is in cache. Backward walks the same tiles in reverse: it adds what the
// successors left behind, turns the tile's gates into their gradients dz in
// place, and multiplies dz with the recurrent weights once; predecessors pick
// their share up. Weight gradients are made with each tile, while its dz is in
// cache, or, of weights too large to stay there, afterwards, a block of weights
// a task.
//
// # Kernels
//
// Products, gates and norms are assembly where the processor has AVX2 and FMA,
// or AVX-512; gen, a module of its own, generates it. kernels_scalar.go has the
// meaning of every element-wise kernel in Go, and is what other processors run.
//
// # The same bits
//
// Parts, strands, lanes, tiles, chunks and slots follow from the problem alone, never
// from the number of cores, and every sum over several of them is made in a
// fixed order. So results do not depend on GOMAXPROCS or on scheduling.
//
// # Letters
//
// B samples, D axes, K inputs, H hidden, P hidden padded to the vector width,
// G = D+3 gates in the order i, g, f_0 … f_{D-1}, o, R directions, T rows.
package cpu
