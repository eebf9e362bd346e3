// Package dist lets several processes, the ranks, train one model: each takes its
// share of every batch, and before an update all have the sum of their gradients.
//
//	c, err := dist.Open()              // MPI's ranks, or one rank without a launcher
//	defer c.Close()
//	err = dist.Agree(c, prepare())     // an error of one rank is an error of all
//	err = dist.NewReducer(c).Reduce(gradients)
//
// A [Comm] only moves bytes; it has twins: MPI (build tag mpi) and, for tests,
// goroutines of one process ([Local]). All arithmetic is here, above them, so a
// sum has the same bits in both:
//
//	reduce-scatter   every rank gets one part of the array from all ranks
//	sum              in float64, from rank 0 up, rounded once
//	all-gather       every rank gives its part of the result to all
//
// MPI_Allreduce moves as many bytes, 2·(N-1)/N of the array from each rank, but
// its order, and so the last bits, depend on the library, the algorithm that it
// picks for a size and on where ranks run. Here they depend on N alone.
//
// # When a rank fails
//
// All ranks make the same calls in the same order. Where one of them may fail
// alone, all exchange how it went ([Agree], [Sum]): either all go on, or all stop
// with an error for which [Agreed] is true, and end in order. An error that is
// not agreed upon, or a rank that died, leaves the others waiting in a call: who
// has the error calls Abort, and of a dead rank the launcher ends the job.
package dist
