package train

import (
	"context"
	"slices"

	"mdlstm-gpu/host/engine"
)

// gather takes the batches of a step: one, or as many as are accumulated, which
// are copied, for the next one overwrites what the prefetcher gave.
func (l *loop) gather() ([]*engine.Batch, error) {
	n := l.run.state.settings.batches()
	if n == 1 {
		batch, err := l.next()
		l.batches = append(l.batches[:0], batch)
		return l.batches, err
	}
	for len(l.batches) < int(n) {
		l.batches = append(l.batches, &engine.Batch{})
	}
	for _, dst := range l.batches {
		batch, err := l.next()
		if err != nil {
			return nil, err
		}
		copyBatch(dst, batch)
	}
	return l.batches, nil
}

// copyBatch copies a batch into the memory of another. Shapes are shared.
func copyBatch(dst, src *engine.Batch) {
	dst.Samples = append(dst.Samples[:0], src.Samples...)
	dst.X = append(dst.X[:0], src.X...)
	dst.Y = copyOrNil(dst.Y, src.Y)
	dst.Class = copyOrNil(dst.Class, src.Class)
	dst.Relevant = copyOrNil(dst.Relevant, src.Relevant)
	dst.First = src.First
}

// copyOrNil is a copy of src, nil where that is: nil means "none".
func copyOrNil[T any](dst, src []T) []T {
	if src == nil {
		return nil
	}
	return append(slices.Grow(dst[:0], len(src)), src...)
}

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
