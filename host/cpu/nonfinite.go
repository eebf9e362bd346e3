package cpu

import (
	"fmt"
	"math"
	"strings"

	"mdlstm-gpu/host/nn"
)

// FindNonFinite computes the loaded batch once more, because gradients have
// taken the gates' place, and looks at every stage in order; then at the arena.
func (p *plan) FindNonFinite() (string, error) {
	if err := p.ready(); err != nil {
		return "", err
	}
	p.forward()
	for _, s := range p.stages {
		if where := s.check(); where != "" {
			return where, nil
		}
	}
	if loss := p.loss.run(false, 0); math.IsNaN(loss.Sum) || math.IsInf(loss.Sum, 0) {
		return "loss", nil
	}
	return p.e.badGradient(), nil
}

// badGradient names the first gradient that is not finite, from the last layer
// to the first: that is the order in which it spread.
func (e *Engine) badGradient() string {
	for i := len(e.model.Stages) - 1; i >= 0; i-- {
		for _, p := range e.model.Params {
			if p.Stage != i {
				continue
			}
			for at, v := range e.grads[p.Offset : p.Offset+p.Size()] {
				if !finite(v) {
					return "gradient of " + p.Name + gateOf(&e.model.Stages[i], p, at)
				}
			}
		}
	}
	return ""
}

// gateOf says which gate element at of a tensor belongs to, where it has gates.
func gateOf(st *nn.Stage, p nn.Param, at int) string {
	if st.Type != "mdlstm" {
		return ""
	}
	inner := 1 // elements of one unit
	switch {
	case strings.HasSuffix(p.Name, ".weight_ih"), strings.HasSuffix(p.Name, ".weight_hh"):
		inner = p.Shape[len(p.Shape)-1]
	case strings.HasSuffix(p.Name, ".bias") && !strings.Contains(p.Name, ".ln_cell"), strings.HasSuffix(p.Name, ".ln_gate.weight"):
	default:
		return ""
	}
	return " gate " + gateName(st, at/inner/st.Hidden%st.Gates)
}

func gateName(st *nn.Stage, gate int) string {
	switch gate {
	case 0:
		return "i"
	case 1:
		return "g"
	case st.Gates - 1:
		return "o"
	}
	return fmt.Sprintf("f_%d", gate-2)
}

// check looks at gates, cell and output, wavefront by wavefront.
func (s *recurrentStage) check() string {
	h, p, g := s.Hidden, s.padded, s.Gates
	for r := range s.sched.Rows {
		for q := range s.dirs {
			d := &s.dirs[q]
			for gate := range g {
				if bad(d.gates[(r*g+gate)*p:][:h]) {
					return s.place(q, "gate "+gateName(&s.Stage, gate))
				}
			}
			if bad(d.c[r*p:][:h]) {
				return s.place(q, "cell")
			}
			if bad(s.h.data[int(d.input[r])*s.h.width+q*h:][:h]) {
				return s.place(q, "output")
			}
		}
	}
	return ""
}

func (s *recurrentStage) place(q int, what string) string {
	where := fmt.Sprintf("layer %d %s", s.Layer, what)
	if len(s.dirs) > 1 {
		where += ", direction " + s.Directions[q]
	}
	return where
}

func (s *denseStage) check() string {
	if !bad(s.out.data[:s.sched.Rows*s.Out]) {
		return ""
	}
	if s.Head {
		return "head"
	}
	return fmt.Sprintf("layer %d output", s.Layer)
}

func bad(x []float32) bool {
	for _, v := range x {
		if !finite(v) {
			return true
		}
	}
	return false
}
