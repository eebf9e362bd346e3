package cpu

// How a layer's strands are walked: forward through the wavefronts, and for the
// gradients in reverse.

// move is one wavefront of a walk, and what is done there.
type move struct {
	do   doing
	wave int
}

type doing int

const (
	ahead   doing = iota // compute the wavefront
	back                 // its gradients
	restore              // fetch the cells that were kept of it
	again                // compute it once more: see recurrent_recompute.go
)

// strands are the ones from first on, step apart.
type strands struct{ first, step, n int }

// all strands of the layer.
func (s *recurrentStage) all() strands { return strands{0, 1, len(s.cut.strands)} }

// of direction q.
func (s *recurrentStage) of(q int) strands { return strands{q, len(s.dirs), s.cut.groups} }

// walk runs strands side by side, or, where there are fewer strands than
// workers and they have lanes, all strands in lockstep, a barrier after each
// wavefront. The bits are the same.
func (s *recurrentStage) walk(moves []move, which strands) {
	s.moves, s.walked = moves, which
	workers := s.stack.pool.workers
	if s.cut.lanes == 1 || which.n >= workers {
		s.stack.pool.run(which.n, s.aloneJob)
		return
	}
	for i := range which.n {
		if s.recompute {
			s.cut.strands[which.first+i*which.step].store = &s.stores[i]
		}
	}
	workers = min(workers, which.n*s.cut.lanes)
	s.waits.size = int32(workers)
	s.stack.pool.run(workers, s.lockstepJob)
}

// alone walks one strand.
func (s *recurrentStage) alone(task, worker int) {
	st := &s.cut.strands[s.walked.first+task*s.walked.step]
	if s.recompute {
		st.store = &s.stores[worker]
	}
	for _, m := range s.moves {
		for lane := range s.cut.lanes {
			s.move(st, lane, m, worker)
		}
	}
}

// lockstep is one of the workers that share every wavefront.
func (s *recurrentStage) lockstep(task, worker int) {
	for _, m := range s.moves {
		for i := task; i < s.walked.n*s.cut.lanes; i += int(s.waits.size) {
			at, lane := i/s.cut.lanes, i%s.cut.lanes
			s.move(&s.cut.strands[s.walked.first+at*s.walked.step], lane, m, worker)
		}
		s.waits.wait()
	}
}

func (s *recurrentStage) move(st *strand, lane int, m move, worker int) {
	switch m.do {
	case back:
		s.backwardWave(st, lane, m.wave, worker)
	case restore:
		s.restoreCells(st, lane, m.wave)
	default:
		s.forwardWave(st, lane, m, worker)
	}
}

// lane returns the rows of a lane in wavefront t of a strand.
func (s *recurrentStage) lane(st *strand, lane, t int) (from, to int) {
	lo, hi := s.sched.Range(t, st.from, st.to)
	return lo + (hi-lo)*lane/s.cut.lanes, lo + (hi-lo)*(lane+1)/s.cut.lanes
}

// route lists the moves of the forward and of the backward walk.
func (s *recurrentStage) route() {
	s.onward, s.homeward = s.onward[:0], s.homeward[:0]
	waves := s.sched.Wavefronts
	for t := range waves {
		s.onward = append(s.onward, move{ahead, t})
	}
	if s.recompute {
		s.routeStretches()
		return
	}
	for t := waves - 1; t >= 0; t-- {
		s.homeward = append(s.homeward, move{back, t})
	}
}
