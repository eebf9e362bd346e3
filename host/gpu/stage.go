package gpu

import "mdlstm-gpu/host/cuda"

// stage is one step of the computation of a plan. Its constructor takes all it
// needs of the plan's blocks, for the room there is.
//
// bind finds the maps of a batch whose schedule the arriving level has, and
// gives the leaving level its schedule; write fills its tables in the host's
// copy of the plan's inputs. forward and backward queue launches that depend on
// nothing but the plan: they may be recorded.
type stage interface {
	bind() error
	write(host []int32)
	forward(s *cuda.Stream, train bool) error
	backward(s *cuda.Stream) error
	// check looks for the first value that is not finite after forward, in the
	// order of computation; "" when there is none.
	check() (string, error)
}

// finite is the check of stages that only move or scale what was checked.
type finite struct{}

func (finite) check() (string, error) { return "", nil }
