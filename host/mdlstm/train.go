package mdlstm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"mdlstm-gpu/host/engine"
)

// TrainOptions say how to train. The zero value is 1000 steps of 16 samples with
// Adam at 0.01.
type TrainOptions struct {
	// Steps is how many updates are made; 0 = as many as Epochs say, or 1000.
	Steps int64
	// Epochs is how often every sample is seen; it goes without Steps, and with
	// samples only. The last batch of an epoch may be smaller than the others. A
	// training that goes on within an epoch ends within one.
	Epochs int64
	// Batch is how many samples a step has; 0 = 16. A source has its own.
	Batch int
	// InOrder takes the samples as they are given. By default every epoch has an
	// order of its own, which follows from Seed.
	InOrder bool
	// Seed decides that order, and dropout.
	Seed uint64

	Optimizer Optimizer // "" = Adam
	LR        float64   // learning rate; 0 = 0.01
	Momentum  float64   // SGD only
	Clip      float64   // largest L2 norm of all gradients together; 0 = no clipping

	// Progress, if not nil, is called after every step, on the goroutine that called
	// Train. It may use the source, which makes no batch meanwhile, and the model
	// (Evaluate, Save, …), but not train it or set its parameters, which would wait
	// for this training. The error that it returns ends the training and comes back
	// wrapped; [ErrStop] ends it without an error.
	Progress func(Progress) error
}

// Progress is what a step did.
type Progress struct {
	Step  int64   // counts from 0 in the call
	Steps int64   // of the call
	Loss  float64 // mean of the batch, before the update; NaN when no target counted
	Norm  float64 // L2 norm of all gradients, before clipping

	// Waited is how long the step waited for its batch, Took how long it took from
	// then on, with what it waited for calls that had the engine. A large share
	// Waited/(Waited+Took) says that the source is too slow for the device: see
	// [Forker].
	Waited, Took time.Duration
}

const (
	defaultSteps = 1000
	defaultBatch = 16
	defaultLR    = 0.01
)

// withDefaults checks options, for n samples or, with n < 0, for a source.
func (o TrainOptions) withDefaults(n int) (TrainOptions, error) {
	bad := func(field string, value any, want string) (TrainOptions, error) {
		return o, fmt.Errorf("options: %s %v: want %s", field, value, want)
	}
	switch {
	case o.Steps < 0:
		return bad("Steps", o.Steps, "1 or more, or 0 for Epochs or 1000")
	case o.Epochs < 0:
		return bad("Epochs", o.Epochs, "1 or more, or 0")
	case o.Epochs > 0 && o.Steps > 0:
		return bad("Epochs", o.Epochs, fmt.Sprintf("it without Steps (%d)", o.Steps))
	case o.Epochs > 0 && n < 0:
		return bad("Epochs", o.Epochs, "Steps: a source has no epochs")
	case o.Batch < 0:
		return bad("Batch", o.Batch, "1 or more, or 0 for 16")
	case n < 0 && (o.Batch != 0 || o.InOrder):
		return bad("Batch and InOrder", fmt.Sprint(o.Batch, ", ", o.InOrder), "neither: a source decides that itself")
	case o.Optimizer != "" && o.Optimizer != Adam && o.Optimizer != SGD:
		return bad("Optimizer", fmt.Sprintf("%q", o.Optimizer), "adam, sgd, or none for adam")
	case !(o.LR >= 0) || math.IsInf(o.LR, 0):
		return bad("LR", o.LR, "a positive number, or 0 for 0.01")
	case !(o.Momentum >= 0 && o.Momentum < 1):
		return bad("Momentum", o.Momentum, "at least 0 and below 1")
	case o.Momentum != 0 && o.Optimizer != SGD:
		return bad("Momentum", o.Momentum, "0 unless Optimizer is SGD")
	case !(o.Clip >= 0) || math.IsInf(o.Clip, 0):
		return bad("Clip", o.Clip, "a positive number, or 0 for no clipping")
	}
	if o.Batch == 0 {
		o.Batch = defaultBatch
	}
	if o.Epochs > 0 {
		batches := int64((n + o.Batch - 1) / o.Batch)
		if o.Epochs > math.MaxInt64/max(batches, 1) {
			return bad("Epochs", o.Epochs, "fewer: they are more steps than can be counted")
		}
		o.Steps = o.Epochs * batches
	}
	if o.Steps == 0 {
		o.Steps = defaultSteps
	}
	if o.Optimizer == "" {
		o.Optimizer = Adam
	}
	if o.LR == 0 {
		o.LR = defaultLR
	}
	return o, nil
}

// Train trains the model on samples, which are checked before the first step and
// must not be changed while it runs. Training again goes on where the last call
// stopped: the optimizer keeps its moments, unless Optimizer changed, and the
// batches are the next ones. So two calls of 50 steps give the bits of one call
// of 100, and a training that was cancelled can be continued. The optimizer's
// state lives in memory only, not in the model file.
//
// Whatever ends it, the parameters are those after the last step that was
// finished. Errors:
//   - the context's, wrapped, when ctx ends: it is looked at between steps, and
//     while a step waits for its batch
//   - that of Progress, wrapped, unless it is [ErrStop]
//   - *[NonFiniteError] when a step met NaN or infinity
//   - [ErrShape] and [ErrData] wrapped, with the number of the sample at fault, or of
//     a source's batch
//   - [ErrMemory] wrapped, before the first step
func (m *Model) Train(ctx context.Context, samples []Sample, o TrainOptions) error {
	o, err := o.withDefaults(len(samples))
	if err == nil && len(samples) == 0 {
		err = fmt.Errorf("%w: no samples", ErrShape)
	}
	if err == nil {
		err = checkSamples(m.net, samples, true)
	}
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	largest := largestShapes(samples, o.Batch)
	if o.InOrder {
		return m.train(ctx, inOrder{samples: samples, size: o.Batch}, largest, o)
	}
	return m.train(ctx, newShuffled(samples, o.Batch, o.Seed), largest, o)
}

// TrainSource is Train on the batches of a source: batch t is that of step t,
// counted from New or Load. They are made while earlier steps are computed, on
// other goroutines; [Source] says what that asks of it. All that are being made
// when the training ends are waited for. An error of the source ends the training
// when its step comes, not before; so does a panic, which becomes one of
// TrainSource, with the source's stack, as a *[task.Panic].
func (m *Model) TrainSource(ctx context.Context, src Source, o TrainOptions) error {
	o, err := o.withDefaults(-1)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	largest, err := m.fit(src)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return m.train(ctx, src, largest, o)
}

// train waits for its turn and runs o.Steps steps. Largest are the shapes of a
// batch at least as large as any, if they are known.
func (m *Model) train(ctx context.Context, src Source, largest []Shape, o TrainOptions) error {
	select {
	case <-m.turn:
		defer func() { m.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("train: waiting for another training: %w", ctx.Err())
	}
	if err := m.prepare(ctx, largest, o.Optimizer); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	data := newFeed(ctx, src, m.Steps(), o.Steps, m.engines.machine.BatchWorkers())
	defer data.close()
	for i := range o.Steps {
		p, err := m.timedStep(ctx, data, o)
		p.Step, p.Steps = i, o.Steps
		var diverged *NonFiniteError
		if errors.As(err, &diverged) {
			diverged.Step = i
		}
		if err == nil && o.Progress != nil {
			err = data.resting(func() error { return o.Progress(p) })
			if errors.Is(err, ErrStop) {
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("train: step %d of %d: %w", i, o.Steps, err)
		}
	}
	return nil
}

// timedStep waits for the next batch and makes one update with it.
func (m *Model) timedStep(ctx context.Context, data *feed, o TrainOptions) (p Progress, err error) {
	b, waited, err := data.batch()
	if err != nil {
		return p, err
	}
	began := time.Now()
	p, err = m.step(ctx, b, o)
	p.Waited, p.Took = waited, time.Since(began)
	return p, err
}

// prepare takes all memory before the first step, and clears the moments of
// another optimizer.
func (m *Model) prepare(ctx context.Context, largest []Shape, optimizer Optimizer) error {
	w, err := m.engines.takeFirst(ctx)
	if err != nil {
		return err
	}
	defer w.release()
	if m.optimizer != "" && m.optimizer != optimizer {
		zero := make([]float32, m.net.Size())
		if err := w.SetMoments(zero, zero, 0); err != nil {
			return err
		}
	}
	m.optimizer = optimizer
	if largest == nil {
		return nil
	}
	_, err = w.Plan(largest, engine.Capacity{})
	return err
}

// step makes one update and publishes the parameters. The engine is free between
// steps, so that others may compute on it. A batch of which no target counts
// changes nothing.
func (m *Model) step(ctx context.Context, b *Batch, o TrainOptions) (p Progress, err error) {
	number := m.Steps()
	w, err := m.engines.takeFirst(ctx)
	if err != nil {
		return p, err
	}
	defer w.release()
	if err := m.refresh(w); err != nil {
		return p, err
	}
	p, err = update(w, b, o, number)
	if err != nil {
		return p, errors.Join(err, w.ZeroGradients())
	}
	if err := m.publish(w); err != nil {
		return p, err
	}
	m.mu.Lock()
	m.steps++
	m.mu.Unlock()
	return p, nil
}

// update computes the gradients of a batch and applies them.
func update(w *worker, b *Batch, o TrainOptions, number int64) (Progress, error) {
	p := Progress{Loss: math.NaN()}
	plan, err := w.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		return p, fmt.Errorf("batch %d: %w", number, err)
	}
	weight, err := plan.Load(b)
	if err != nil {
		return p, fmt.Errorf("batch %d: %w", number, err)
	}
	if weight == 0 {
		return p, nil
	}
	loss, err := plan.Gradients(engine.Pass{Normaliser: weight, Seed: o.Seed, Step: number})
	if err != nil {
		return p, err
	}
	p.Loss = loss.Sum / loss.Weight
	if p.Loss-p.Loss != 0 {
		return p, nonFinite(plan)
	}
	result, err := w.Update(engine.Update{Optimizer: o.Optimizer, LR: o.LR, Momentum: o.Momentum, Clip: o.Clip})
	if err != nil {
		return p, err
	}
	if !result.Finite {
		return p, nonFinite(plan)
	}
	p.Norm = result.Norm
	return p, nil
}

// nonFinite makes the error of a step that met NaN or infinity.
func nonFinite(plan engine.Plan) error {
	where, err := plan.FindNonFinite()
	if err != nil {
		return err
	}
	if where == "" { // only their sum is not finite
		where = "the loss or the norm of the gradients"
	}
	return &NonFiniteError{Where: where}
}
