package cpu

import (
	"math"

	"mdlstm-gpu/host/engine/nonfinite"
)

// findNonFinite computes a part once more and looks at the stages before one, in
// order, and then, if there is none behind them, at the loss: the index of the
// first at fault, and what is wrong there; "" when all is finite.
func (k *stack) findNonFinite(p *part, pass pass, before int) (at int, where string, err error) {
	if err := k.bind(p); err != nil {
		return 0, "", err
	}
	k.pass = pass.from(p)
	k.refresh()
	for i, s := range k.stages[:before] { // one by one: in a stack that predicts, later ones overwrite
		s.forward(&k.pass)
		if where := s.check(); where != "" {
			return i, where, nil
		}
	}
	if before == len(k.stages) {
		if loss := k.loss.run(false, 0); math.IsNaN(loss.Sum) || math.IsInf(loss.Sum, 0) {
			return len(k.stages), "loss", nil
		}
	}
	return 0, "", nil
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
