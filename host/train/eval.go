package train

import (
	"context"
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
)

// Evaluate measures the engine's model on batches first … first+n-1 of a source
// without changing it, dropout off. Means are pooled over all batches. Batches
// below 0 of a generator are ones that training never sees. When ctx ends it
// returns its error.
func Evaluate(ctx context.Context, e engine.Engine, src task.Source, first, n int64) (Score, error) {
	m, spec := e.Model(), src.Spec()
	total := newScore(m, spec)
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
		var outputs []float32
		if total.Cells != nil {
			if outputs, err = outputsFor(m, batch.Samples); err != nil {
				return total, fmt.Errorf("batch %d: %w", t, err)
			}
		}
		loss, err := plan.Predict(outputs)
		if err != nil {
			return total, fmt.Errorf("batch %d: %w", t, err)
		}
		total.Loss.Add(loss)
		if total.Cells == nil || batch.Class == nil {
			continue
		}
		at := 0
		for _, sample := range batch.Samples {
			cells, err := outputCells(m, sample)
			if err != nil {
				return total, fmt.Errorf("batch %d: %w", t, err)
			}
			total.count(outputs[at*m.Units():], batch.Class[at:][:cells], m.Config.IgnoreIndex, spec.Background)
			at += cells
		}
	}
	return total, nil
}

// outputCells is how many cells a model puts out for a sample.
func outputCells(m *nn.Model, sample grid.Shape) (int, error) {
	out, err := m.OutputShape(sample)
	if err != nil {
		return 0, err
	}
	n := 1 // a grid whose every axis was summed is one cell
	for _, length := range out {
		n *= length
	}
	return n, nil
}

// outputsFor is room for a model's outputs [cells, units].
func outputsFor(m *nn.Model, samples []grid.Shape) ([]float32, error) {
	cells := 0
	for _, sample := range samples {
		n, err := outputCells(m, sample)
		if err != nil {
			return nil, err
		}
		cells += n
	}
	return make([]float32, cells*m.Units()), nil
}

// Predict computes the model's outputs for one batch, dropout off: [cells of the
// output grid, units] in packed order, and the losses where it has targets. For
// the pictures before and after training the batch is the source's Example,
// which for generators is a sample that no training step sees.
func Predict(e engine.Engine, batch *engine.Batch) ([]float32, engine.Loss, error) {
	out, err := outputsFor(e.Model(), batch.Samples)
	if err != nil {
		return nil, engine.Loss{}, err
	}
	plan, err := e.Plan(batch.Samples, engine.Capacity{})
	if err != nil {
		return nil, engine.Loss{}, err
	}
	if _, err := plan.Load(batch); err != nil {
		return nil, engine.Loss{}, err
	}
	loss, err := plan.Predict(out)
	if err != nil {
		return nil, engine.Loss{}, err
	}
	return out, loss, nil
}
