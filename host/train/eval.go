package train

import (
	"context"
	"fmt"
	"io"

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
	return EvaluateEach(ctx, e, src, first, n, nil)
}

// Answer is what a model put out for one sample, beside the sample. Its arrays
// are in packed order and valid only during the call that gets it.
type Answer struct {
	In, Out grid.Shape // grids of input and output; Out has no axes where all were summed
	X       []float32  // [cells of In, channels]
	Y       []float32  // [cells of Out, units]; nil for classes and without targets
	Class   []int32    // [cells of Out]; nil for values and without targets
	Outputs []float32  // [cells of Out, units]

	// Truth and Label are the classes of the sample and of the answer as
	// [Score.Labels] counts them; -1 where samples have none.
	Truth, Label int
}

// EvaluateEach is Evaluate, and shows every sample with its answer to see, which
// may be nil.
func EvaluateEach(ctx context.Context, e engine.Engine, src task.Source, first, n int64, see func(Answer)) (Score, error) {
	return evaluate(ctx, e, src, task.Ahead{From: first, To: first + n}, see)
}

// evaluate is EvaluateEach of some batches, one at a time.
func evaluate(ctx context.Context, e engine.Engine, src task.Source, which task.Ahead, see func(Answer)) (Score, error) {
	m, spec := e.Model(), src.Spec()
	total := newScore(m, spec)
	// All memory is taken, or refused, before the first batch is made.
	if _, err := e.Plan(src.Largest(), engine.Capacity{Predict: true}); err != nil {
		return total, err
	}
	ahead := task.Prefetch(ctx, src, which)
	defer ahead.Close()
	for t := which.From; ; t += max(1, which.Every) {
		batches, err := ahead.Next()
		switch {
		case err == io.EOF:
			return total, nil
		case ctx.Err() != nil:
			return total, ctx.Err()
		case err == nil:
			err = evaluateBatch(e, batches[0], &total, spec.Background, see)
		}
		if err != nil {
			return total, fmt.Errorf("batch %d: %w", t, err)
		}
	}
}

// evaluateBatch adds a batch to the score.
func evaluateBatch(e engine.Engine, batch *engine.Batch, total *Score, background *int, see func(Answer)) error {
	m := e.Model()
	plan, err := e.Plan(batch.Samples, engine.Capacity{Predict: true})
	if err != nil {
		return err
	}
	if _, err := plan.Load(batch); err != nil {
		return err
	}
	counts := total.Cells != nil && batch.Class != nil
	var outputs []float32
	if counts || see != nil {
		if outputs, err = outputsFor(m, batch.Samples); err != nil {
			return err
		}
	}
	loss, err := plan.Predict(outputs)
	if err != nil {
		return err
	}
	total.Loss.Add(loss)
	if outputs == nil {
		return nil
	}
	in, out := 0, 0
	for _, sample := range batch.Samples {
		shape, err := m.OutputShape(sample)
		if err != nil {
			return err
		}
		cells := cellsOf(shape)
		a := Answer{In: sample, Out: shape, Truth: -1, Label: -1,
			X: batch.X[in*m.Config.Input:][:sample.Cells()*m.Config.Input], Outputs: outputs[out*m.Units():][:cells*m.Units()]}
		if batch.Y != nil {
			a.Y = batch.Y[out*m.Units():][:cells*m.Units()]
		}
		if counts {
			a.Class = batch.Class[out:][:cells]
			total.count(a.Outputs, a.Class, m.Config.IgnoreIndex, background)
		}
		if see != nil {
			if counts && background != nil {
				a.Truth = labelOf(a.Class, m.Config.IgnoreIndex, *background)
				a.Label = largestSum(a.Outputs, m.Units(), *background)
			}
			see(a)
		}
		in, out = in+sample.Cells(), out+cells
	}
	return nil
}

// cellsOf is how many cells an output grid has; one whose every axis was summed
// is one cell.
func cellsOf(out []int) int {
	n := 1
	for _, length := range out {
		n *= length
	}
	return n
}

// outputsFor is room for a model's outputs [cells, units].
func outputsFor(m *nn.Model, samples []grid.Shape) ([]float32, error) {
	cells := 0
	for _, sample := range samples {
		out, err := m.OutputShape(sample)
		if err != nil {
			return nil, err
		}
		cells += cellsOf(out)
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
	plan, err := e.Plan(batch.Samples, engine.Capacity{Predict: true})
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
