package train

import (
	"context"
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/task"
)

// Evaluate measures the engine's model on batches first … first+n-1 of a source
// without changing it, dropout off. Means are pooled over all batches. Batches
// below 0 of a generator are ones that training never sees. When ctx ends it
// returns its error.
func Evaluate(ctx context.Context, e engine.Engine, src task.Source, first, n int64) (engine.Loss, error) {
	var total engine.Loss
	// All memory is taken, or refused, before the first batch is made.
	if _, err := e.Plan(src.Largest(), engine.Capacity{}); err != nil {
		return total, err
	}
	var batch engine.Batch
	for t := first; t < first+n; t++ {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		if err := src.Batch(t, &batch); err != nil {
			return total, fmt.Errorf("batch %d: %w", t, err)
		}
		plan, err := e.Plan(batch.Samples, engine.Capacity{})
		if err != nil {
			return total, fmt.Errorf("batch %d: %w", t, err)
		}
		if _, err := plan.Load(&batch); err != nil {
			return total, fmt.Errorf("batch %d: %w", t, err)
		}
		loss, err := plan.Predict(nil)
		if err != nil {
			return total, fmt.Errorf("batch %d: %w", t, err)
		}
		total.Add(loss)
	}
	return total, nil
}

// Predict computes the model's outputs for one batch, dropout off: [cells of the
// output grid, units] in packed order, and the losses where it has targets. For
// the pictures before and after training the batch is the source's Example,
// which for generators is a sample that no training step sees.
func Predict(e engine.Engine, batch *engine.Batch) ([]float32, engine.Loss, error) {
	cells := 0
	for _, shape := range batch.Samples {
		out, err := e.Model().OutputShape(shape)
		if err != nil {
			return nil, engine.Loss{}, err
		}
		n := 1 // a grid whose every axis was summed is one cell
		for _, length := range out {
			n *= length
		}
		cells += n
	}
	plan, err := e.Plan(batch.Samples, engine.Capacity{})
	if err != nil {
		return nil, engine.Loss{}, err
	}
	if _, err := plan.Load(batch); err != nil {
		return nil, engine.Loss{}, err
	}
	out := make([]float32, cells*e.Model().Units())
	loss, err := plan.Predict(out)
	if err != nil {
		return nil, engine.Loss{}, err
	}
	return out, loss, nil
}
