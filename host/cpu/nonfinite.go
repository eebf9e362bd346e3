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

// check looks at gates, cell and output, wavefront by wavefront; at the output
// alone where nothing else is kept.
func (s *recurrentStage) check() string {
	h, p, g := s.Hidden, s.padded, s.Gates
	for r := range s.sched.Rows {
		for q := range s.dirs {
			d := &s.dirs[q]
			for gate := 0; gate < g && !s.predict; gate++ {
				if nonfinite.In(d.gates[(r*g+gate)*p:][:h]) {
					return nonfinite.Place(&s.Stage, q, "gate "+nonfinite.Gate(&s.Stage, gate))
				}
			}
			if !s.predict && nonfinite.In(d.c[r*p:][:h]) {
				return nonfinite.Place(&s.Stage, q, "cell")
			}
			if nonfinite.In(s.h.data[int(d.input[r])*s.h.width+q*h:][:h]) {
				return nonfinite.Place(&s.Stage, q, "output")
			}
		}
	}
	return ""
}

func (s *denseStage) check() string {
	if nonfinite.In(s.out.data[:s.sched.Rows*s.Out]) {
		return nonfinite.Dense(&s.Stage)
	}
	return ""
}
