//go:build !mpi || !cgo

package dist

// Open is [ErrNoMPI] in a build without the tag mpi.
func Open() (Comm, error) { return nil, ErrNoMPI }

// Library is "" in a build without the tag mpi.
func Library() string { return "" }
