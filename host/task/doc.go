// Package task makes the batches that a model is trained and measured on.
//
// A [Source] is one task with its settings: [Diagonal] and [Fields] invent their
// samples, [Arrays] reads the user's files, [Folder] folders of pictures or volumes
// with masks, [MNIST] handwritten digits. Batch t of a source is a pure function of
// (settings, seed, t), whatever was asked before, so a run that is resumed at step t
// sees what it would have seen, and [Prefetch] may make batches ahead, several at
// once, without changing a bit.
//
// # Layout
//
// Batches are packed (see package grid): sample after sample, the cells of each
// in row-major order, the channels of a cell beside each other. Three samples
// padded to 2 × 3 in the user's arrays, of sizes 2 × 3, 1 × 2 and 2 × 1:
//
//	padded  a00 a01 a02   b00 b01  -    c00  -   -
//	        a10 a11 a12    -   -   -    c10  -   -
//
//	packed  a00 a01 a02 a10 a11 a12 b00 b01 c00 c10
//
// [Scatter] is the way back for what a model has computed.
//
// # Random numbers
//
// Sample s of a generator, counted over the run from 0, draws from its own
// stream: ChaCha8 (https://c2sp.org/chacha8rand, as in math/rand/v2), whose key
// is, little endian, the seed, s, the first 8 bytes of the task's name padded
// with zeros, and the version of this scheme, 1. So neither the batch size nor a
// split over ranks changes which samples a run sees in which order. What is
// drawn from the stream, in which order, is documented at each generator; the
// conversions (stream.go) are our own, so no release of Go can change them.
// Negative s are samples that no training step sees.
package task
