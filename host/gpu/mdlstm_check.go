package gpu

import "mdlstm-gpu/host/engine/nonfinite"

// checkRows is how many rows are copied to the host at a time.
const checkRows = 1 << 14

// check looks at gates, cell and output, wavefront by wavefront.
func (s *recurrentStage) check() (string, error) {
	h, n, c := s.Hidden, s.Gates*s.Hidden, s.in.rows
	gates, cells := make([][]float32, len(s.directions)), make([][]float32, len(s.directions))
	outputs := make([]float32, s.in.sched.Rows*s.h.width)
	if err := s.h.data.download(outputs, 0); err != nil {
		return "", err
	}
	for from := 0; from < s.in.sched.Rows; from += checkRows {
		rows := min(checkRows, s.in.sched.Rows-from)
		for q := range s.directions {
			gates[q], cells[q] = make([]float32, rows*n), make([]float32, rows*h)
			if err := s.gates.download(gates[q], (q*c+from)*n); err != nil {
				return "", err
			}
			if err := s.cell.download(cells[q], (q*(c+1)+from)*h); err != nil {
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
