package mdlstm

import (
	"context"
	"fmt"
	"math"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
)

// predictBatch is how many samples Predict and Evaluate compute at once. It is
// fixed because the last bits of an output depend on it.
const predictBatch = 16

// Predict computes the outputs of samples, without dropout. Equal calls give
// equal bits, whatever runs at the same time; the last bits of a sample's output
// may depend on the samples beside it. All of a call see the same parameters.
//
// Errors that wrap [ErrShape] or [ErrData] name the sample by its number. When
// ctx ends, which is looked at between batches of 16 samples, its error comes
// back wrapped.
func (m *Model) Predict(ctx context.Context, samples ...Sample) ([]Output, error) {
	if err := checkSamples(m.net, samples, false); err != nil {
		return nil, fmt.Errorf("predict: %w", err)
	}
	outputs, err := m.predict(ctx, samples)
	if err != nil {
		return nil, fmt.Errorf("predict: %w", err)
	}
	return outputs, nil
}

func (m *Model) predict(ctx context.Context, samples []Sample) ([]Output, error) {
	w, err := m.take(ctx)
	if err != nil {
		return nil, err
	}
	defer w.release()
	var b Batch
	outputs := make([]Output, 0, len(samples))
	for from := 0; from < len(samples); from += predictBatch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pack(&b, samples[from:min(from+predictBatch, len(samples))], int64(from), false)
		shapes, values, err := outputsOf(m.net, &b)
		if err != nil {
			return nil, err
		}
		y := make([]float32, values)
		if _, err := forward(w, &b, y); err != nil {
			return nil, err
		}
		for _, shape := range shapes {
			n := shape.Cells() * m.net.Units()
			outputs = append(outputs, Output{Shape: shape, Units: m.net.Units(), Y: y[:n:n]})
			y = y[n:]
		}
	}
	return outputs, nil
}

// Score is how well a model does.
type Score struct {
	// Loss is the mean over all targets that count (see [Sample]); NaN when none
	// does.
	Loss float64
	// Accuracy is the share of cells whose largest output is their class; NaN
	// unless the loss is cross_entropy. Class weights do not enter.
	Accuracy float64
}

// Evaluate measures the model on samples, without dropout. Means are pooled over
// all of them. Errors are those of [Model.Predict]; samples need targets.
func (m *Model) Evaluate(ctx context.Context, samples []Sample) (Score, error) {
	if err := checkSamples(m.net, samples, true); err != nil {
		return Score{}, fmt.Errorf("evaluate: %w", err)
	}
	src := inOrder{samples: samples, size: predictBatch}
	return m.EvaluateSource(ctx, src, 0, src.batches())
}

// EvaluateSource measures the model on batches first … first+n-1 of a source,
// which are made ahead as in [Model.TrainSource]. Of n = 0 batches nothing counts.
func (m *Model) EvaluateSource(ctx context.Context, src Source, first, n int64) (Score, error) {
	if n < 0 {
		return Score{}, fmt.Errorf("evaluate: %d batches: want 0 or more", n)
	}
	if _, err := m.fit(src); err != nil {
		return Score{}, fmt.Errorf("evaluate: %w", err)
	}
	s, err := m.evaluate(ctx, src, first, n)
	if err != nil {
		return Score{}, fmt.Errorf("evaluate: %w", err)
	}
	return s, nil
}

func (m *Model) evaluate(ctx context.Context, src Source, first, n int64) (Score, error) {
	w, err := m.take(ctx)
	if err != nil {
		return Score{}, err
	}
	defer w.release()
	data := newFeed(ctx, src, first, n, m.engines.machine.BatchWorkers())
	defer data.close()
	var total engine.Loss
	var y []float32 // outputs, where the accuracy asks for them
	var right, cells float64
	for t := first; t-first < n; t++ {
		b, _, err := data.batch()
		if err != nil {
			return Score{}, err
		}
		if m.net.Config.Loss == nn.CrossEntropy {
			_, values, err := outputsOf(m.net, b)
			if err != nil {
				return Score{}, fmt.Errorf("batch %d: %w", t, err)
			}
			if cap(y) < values {
				y = make([]float32, values)
			}
			y = y[:values]
		}
		loss, err := forward(w, b, y)
		if err != nil {
			return Score{}, fmt.Errorf("batch %d: %w", t, err)
		}
		total.Add(loss)
		r, c := countRight(m.net, y, b.Class)
		right, cells = right+r, cells+c
	}
	return Score{Loss: ratio(total.Sum, total.Weight), Accuracy: ratio(right, cells)}, nil
}

// countRight counts the cells whose largest output is their class, and those
// that count.
func countRight(net *nn.Model, y []float32, classes []int32) (right, cells float64) {
	units, ignore := net.Units(), net.Config.IgnoreIndex
	for cell, class := range classes {
		if ignore != nil && int(class) == *ignore {
			continue
		}
		cells++
		if largest(y[cell*units:][:units]) == class {
			right++
		}
	}
	return right, cells
}

// ratio is NaN where nothing counts.
func ratio(sum, weight float64) float64 {
	if weight == 0 {
		return math.NaN()
	}
	return sum / weight
}

// outputsOf is the shape of each sample's output, and how many values they have
// together.
func outputsOf(net *nn.Model, b *Batch) (shapes []Shape, values int, err error) {
	shapes = make([]Shape, len(b.Samples))
	for i, in := range b.Samples {
		if shapes[i], err = outputShape(net, in); err != nil {
			return nil, 0, fmt.Errorf("sample %d: %w", i, err)
		}
		values += shapes[i].Cells() * net.Units()
	}
	return shapes, values, nil
}

// forward computes a batch without dropout. y takes the outputs; nil takes none.
func forward(w *worker, b *Batch, y []float32) (engine.Loss, error) {
	plan, err := w.Plan(b.Samples, engine.Capacity{Predict: true})
	if err != nil {
		return engine.Loss{}, err
	}
	if _, err := plan.Load(b); err != nil {
		return engine.Loss{}, err
	}
	return plan.Predict(y)
}
