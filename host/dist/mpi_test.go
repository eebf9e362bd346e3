//go:build mpi && cgo

package dist

import "testing"

// TestMPI is for mpirun: what holds of local ranks holds of MPI's, to the bit.
func TestMPI(t *testing.T) {
	rank, size := Launched()
	if size == 0 {
		t.Skip("not started by mpirun (scripts/dist_test.sh does)")
	}
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if c.Rank() != rank || c.Size() != size {
		t.Errorf("rank %d of %d, want %d of %d", c.Rank(), c.Size(), rank, size)
	}
	if err := checkReduce(c); err != nil {
		t.Errorf("rank %d: %v", rank, err)
	}
	if err := checkCalls(c); err != nil {
		t.Errorf("rank %d: %v", rank, err)
	}
	// Go's handler is still there: the fault is a panic, not the end.
	func() {
		defer func() {
			if recover() == nil {
				t.Errorf("rank %d: no panic", rank)
			}
		}()
		var nowhere *int
		*nowhere = 1
	}()
	if t.Failed() {
		c.Abort(1)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestOpenAlone: without a launcher there is one rank.
func TestOpenAlone(t *testing.T) {
	if _, size := Launched(); size > 0 {
		t.Skip("started by mpirun")
	}
	if c, err := Open(); err != nil || c.Size() != 1 {
		t.Errorf("%v, %v, want one rank", c, err)
	}
	if Library() == "" {
		t.Error("MPI has no name")
	}
}
