package gpu

import (
	"errors"

	"mdlstm-gpu/host/engine/nonfinite"
)

// checkRows is how many rows are copied to the host at a time.
const checkRows = 1 << 14

// check looks at gates, cell and output, wavefront by wavefront. A layer of
// several stretches computes them again one by one.
func (s *recurrentStage) check() (string, error) {
	outputs := make([]float32, s.in.sched.Rows*s.h.width)
	if err := s.h.data.download(outputs, 0); err != nil {
		return "", err
	}
	for i := range s.stretches() {
		if s.stretches() > 1 {
			if err := errors.Join(s.walk(s.p.e.stream, i, false), s.p.e.stream.Wait()); err != nil {
				return "", err
			}
		}
		if where, err := s.checkStretch(i, outputs); where != "" || err != nil {
			return where, err
		}
	}
	return "", nil
}

// checkStretch looks at the rows of stretch i, which the arrays hold.
func (s *recurrentStage) checkStretch(i int, outputs []float32) (string, error) {
	h, n, room := s.Hidden, s.Gates*s.Hidden, s.shape.room()
	kept := s.shape.Stretch.kept() * s.shape.Stretch.Line // rows of cell before those of the stretch
	gates, cells := make([][]float32, len(s.directions)), make([][]float32, len(s.directions))
	first, end := s.rowsOf(i)
	for from := first; from < end; from += checkRows {
		rows := min(checkRows, end-from)
		for q := range s.directions {
			gates[q], cells[q] = make([]float32, rows*n), make([]float32, rows*h)
			if err := s.gates.download(gates[q], (q*room+from-first)*n); err != nil {
				return "", err
			}
			if err := s.cell.download(cells[q], (q*(kept+room+1)+kept+from-first)*h); err != nil {
				return "", err
			}
		}
		for r := range rows {
			for q, d := range s.directions {
				at := int(s.in.sched.Input(d)[from+r])*s.h.width + q*h
				if where := s.checkRow(q, gates[q][r*n:][:n], cells[q][r*h:][:h], outputs[at:][:h]); where != "" {
					return where, nil
				}
			}
		}
	}
	return "", nil
}

// rowsOf is the rows of stretch i of the batch.
func (s *recurrentStage) rowsOf(i int) (first, end int) {
	b := s.in.sched
	begin, last := s.shape.stretch(i)
	if begin >= b.Wavefronts {
		return b.Rows, b.Rows
	}
	first, _ = b.Range(begin, 0, b.Samples)
	_, end = b.Range(min(last, b.Wavefronts)-1, 0, b.Samples)
	return first, end
}

// checkRow looks at one row of one direction.
func (s *recurrentStage) checkRow(q int, gates, cell, output []float32) string {
	for g := range s.Gates {
		if nonfinite.In(gates[g*s.Hidden:][:s.Hidden]) {
			return nonfinite.Place(s.Stage, q, "gate "+nonfinite.Gate(s.Stage, g))
		}
	}
	if nonfinite.In(cell) {
		return nonfinite.Place(s.Stage, q, "cell")
	}
	if nonfinite.In(output) {
		return nonfinite.Place(s.Stage, q, "output")
	}
	return ""
}
