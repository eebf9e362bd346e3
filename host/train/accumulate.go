package train

import (
	"context"

	"mdlstm-gpu/host/engine"
)

// weigh loads every batch to learn the weight of all their targets, on all ranks,
// by which each loss is divided before it is differentiated: the errors inside the
// model, which clip_error bounds, are then those of one large batch. Dividing the
// sum of gradients by it afterwards would not do that. The last batch stays loaded.
// err is why there are none.
func (l *loop) weigh(ctx context.Context, batches []*engine.Batch, err error) (float64, error) {
	l.plan, l.weights = nil, l.weights[:0]
	var own float64
	for _, batch := range batches {
		if err != nil {
			break
		}
		var w float64
		if len(batch.Samples) > 0 { // there may be fewer than ranks
			w, err = l.load(batch)
		}
		l.weights = append(l.weights, w)
		own += w
	}
	if !l.several() {
		return own, err
	}
	all := []float64{own}
	err = l.sum(ctx, all, err)
	return all[0], err
}

// load makes a batch current and returns the weight of its targets.
func (l *loop) load(batch *engine.Batch) (weight float64, err error) {
	if l.plan, err = l.engine.Plan(batch.Samples, engine.Capacity{}); err != nil {
		return 0, err
	}
	return l.plan.Load(batch)
}
