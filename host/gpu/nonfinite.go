package gpu

import (
	"math"

	"mdlstm-gpu/host/engine/nonfinite"
)

// FindNonFinite computes the loaded batch once more, a kernel at a time, because
// gradients have taken the gates' place, and looks at every stage in order; then
// at the arena. It copies arrays to the host: it is for a run that has failed.
func (p *plan) FindNonFinite() (string, error) {
	if err := p.ready(); err != nil {
		return "", err
	}
	if err := p.prepare(); err != nil {
		return "", err
	}
	q := p.e.stream
	if err := p.forward(q, p.train); err != nil {
		return "", err
	}
	if err := q.Wait(); err != nil {
		return "", err
	}
	for _, s := range p.stages {
		if where, err := s.check(); where != "" || err != nil {
			return where, err
		}
	}
	if err := p.loss.run(q, false); err != nil {
		return "", err
	}
	if err := q.Wait(); err != nil {
		return "", err
	}
	if loss := p.loss.measured(); math.IsNaN(loss.Sum) || math.IsInf(loss.Sum, 0) {
		return "loss", nil
	}
	grads := make([]float32, p.e.model.Size())
	if err := p.e.Gradients(grads); err != nil {
		return "", err
	}
	return nonfinite.Gradient(p.e.model, grads), nil
}
