package cpu

import (
	"math"

	"mdlstm-gpu/host/engine/nonfinite"
)

// FindNonFinite computes the loaded batch once more, because gradients have
// taken the gates' place, and looks at every stage in order; then at the arena.
func (p *plan) FindNonFinite() (string, error) {
	if err := p.ready(); err != nil {
		return "", err
	}
	p.refresh()
	for _, s := range p.stages { // one by one: in a plan that predicts, later ones overwrite
		s.forward(&p.pass)
		if where := s.check(); where != "" {
			return where, nil
		}
	}
	if loss := p.loss.run(false, 0); math.IsNaN(loss.Sum) || math.IsInf(loss.Sum, 0) {
		return "loss", nil
	}
	return nonfinite.Gradient(p.e.model, p.e.grads), nil
}

// check looks at gates, cell and output, wavefront by wavefront. A layer that
// does not keep its gates computes them a second time.
func (s *recurrentStage) check() string {
	w := &s.scratch[0]
	for t := range s.sched.Wavefronts {
		row, where := s.sched.Rows, ""
		for i := range s.cut.strands {
			st := &s.cut.strands[i]
			d := &s.dirs[st.direction]
			for from, to := s.sched.Range(t, st.from, st.to); from < to && from < row; from += tileRows {
				end := min(to, from+tileRows)
				s.tileOf(w, st, move{ahead, t}, from, end)
				if s.sparing() {
					s.forwardTile(d, st.direction, from, end, w)
				}
				if r, what := s.badRow(&w.tile); what != "" && from+r < row {
					row, where = from+r, nonfinite.Place(&s.Stage, st.direction, what)
				}
			}
		}
		if where != "" {
			return where
		}
	}
	return ""
}

// badRow is the first row of a tile with a value that is not finite, and which.
func (s *recurrentStage) badRow(t *tile) (row int, what string) {
	h, p, g := s.Hidden, s.padded, s.Gates
	for r := range t.n {
		for gate := range g {
			if nonfinite.In(t.gates[(r*g+gate)*p:][:h]) {
				return r, "gate " + nonfinite.Gate(&s.Stage, gate)
			}
		}
		if nonfinite.In(t.c[r*p:][:h]) {
			return r, "cell"
		}
		if nonfinite.In(t.h[int(t.row[r])*t.stride:][:h]) {
			return r, "output"
		}
	}
	return 0, ""
}

func (s *denseStage) check() string {
	if nonfinite.In(s.out.data[:s.sched.Rows*s.Out]) {
		return nonfinite.Dense(&s.Stage)
	}
	return ""
}
