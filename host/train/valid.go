package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/task"
)

// Metric is the figure by which validations are compared, and its name: the
// share of wrong labels where there is one, else that of wrong cells, else the
// mean loss. Less is better.
func Metric(v report.ValidLine) (value float64, name string) {
	switch {
	case !math.IsNaN(v.LabelError):
		return v.LabelError, "label error"
	case !math.IsNaN(v.Error):
		return v.Error, "cell error"
	}
	return v.Loss, "loss"
}

// Better says whether a validation is better than an earlier one: by its
// [Metric], and by the loss where that is equal. NaN is worse than any number.
func Better(a, b report.ValidLine) bool {
	x, _ := Metric(a)
	y, _ := Metric(b)
	if x == y {
		x, y = a.Loss, b.Loss
	}
	return x < y || math.IsNaN(y) && !math.IsNaN(x)
}

// Best finds the best of a run's validations and how many came after it; best is
// -1 when there is none.
func Best(c report.ValidColumns) (best int, stale int64) {
	line := func(i int) report.ValidLine {
		return report.ValidLine{Loss: c.Loss[i], Error: c.Error[i], LabelError: c.LabelError[i]}
	}
	best = -1
	for i := range c.Len() {
		if best < 0 || Better(line(i), line(best)) {
			best, stale = i, -1
		}
		stale++
	}
	return best, stale
}

// validState is what a checkpoint knows about the validations of a run.
type validState struct {
	bytes int64 // length of valid.tsv
	last  int64 // step of the newest validation; 0 before the first
	stale int64 // validations since the best one

	// best is the best validation and params are the parameters that it
	// measured, which are never changed; nil before the first.
	best   report.ValidLine
	params []float32
}

// Best is the best validation in the newest checkpoint; false before the first,
// and where the run has no data for it.
func (r *Run) Best() (report.ValidLine, bool) {
	if v := r.state.valid; v != nil && v.params != nil {
		return v.best, true
	}
	return report.ValidLine{}, false
}

// StoppedEarly says whether the run ended because Settings.Patience validations
// brought nothing better.
func (r *Run) StoppedEarly() bool {
	v, patience := r.state.valid, r.state.settings.Patience
	return v != nil && patience > 0 && v.stale >= patience
}

// Validates says whether the run has data for validation.
func (r *Run) Validates() bool { return r.state.valid != nil }

// Done says whether nothing is left to do: all steps and the validation after
// the last of them are done, or the run stopped early.
func (r *Run) Done() bool {
	v, step := r.state.valid, r.state.step
	return r.StoppedEarly() || step >= r.state.settings.Steps && (v == nil || v.last == step)
}

// validationDue says whether there is a validation after so many steps of epochs
// of so many batches.
func validationDue(s Settings, epoch, done int64) bool {
	switch {
	case done == s.Steps:
		return true
	case s.ValidEvery > 0:
		return done%s.ValidEvery == 0
	case epoch > 0:
		n := s.batches()
		return done*n/epoch > (done-1)*n/epoch
	}
	return false
}

// openValid makes the loop ready to validate, where the run does.
func (l *loop) openValid(data task.Split) error {
	r := l.run
	if r.state.valid == nil {
		return nil
	}
	if data.Valid == nil {
		return fmt.Errorf("%s: the run is validated: give it its validation data", r.dir)
	}
	if data.Valid.Spec().Steps < 1 {
		return errors.New("validation data without an end: want a source that has epochs")
	}
	if _, err := l.engine.Plan(data.Valid.Largest(), engine.Capacity{Predict: true}); err != nil {
		return fmt.Errorf("validation: %w", err)
	}
	var err error
	l.valid, l.epoch = data.Valid, data.Train.Spec().Steps
	l.validLog, err = r.disk.OpenValidLog(r.path(validName), r.state.valid.bytes)
	return err
}

// validate measures the model after so many steps, and keeps it when it is the
// best one.
func (l *loop) validate(ctx context.Context, done int64) error {
	began := time.Now()
	line, err := l.measure(ctx)
	if err != nil {
		return err
	}
	v := &l.validated
	line.Step, line.Seconds = done, time.Since(began).Seconds()
	if err := l.validLog.Append(line); err != nil {
		return err
	}
	if err := l.validLog.Flush(); err != nil {
		return err
	}
	if l.events != nil {
		if err := tellValid(l.events, line); err != nil {
			return err
		}
	}
	v.last = done
	v.stale++
	best := v.params == nil || Better(line, v.best)
	if best {
		params := make([]float32, l.run.state.model.Size())
		if err := l.engine.Parameters(params); err != nil {
			return err
		}
		v.best, v.stale, v.params = line, 0, params
	}
	if l.see.Valid != nil {
		l.see.Valid(line, best)
	}
	return nil
}

// measure evaluates the model on the validation data, of which several ranks take
// the batches in turn.
func (l *loop) measure(ctx context.Context) (line report.ValidLine, err error) {
	if l.several() && l.stop {
		return line, context.Canceled
	}
	c, n := l.run.comm(), l.valid.Spec().Steps
	which := task.Ahead{From: int64(c.Rank()), To: n, Every: int64(c.Size()), Workers: l.run.Workers}
	score, err := evaluate(ctx, l.engine, l.valid, which, nil)
	if err != nil && l.several() && ctx.Err() != nil {
		err = nil // the others learn that it ends, not that it failed
	}
	cellsRight, cells := tally(score.Cells)
	labelsRight, labels := tally(score.Labels)
	v := []float64{score.Loss.Sum, score.Loss.Weight, cellsRight, cells, labelsRight, labels}
	if err := l.sum(ctx, v, err); err != nil {
		return line, err
	}
	if l.several() && l.stop {
		return line, context.Canceled
	}
	return report.ValidLine{Loss: v[0] / v[1], Error: wrong(v[2], v[3]), LabelError: wrong(v[4], v[5])}, nil
}

// validateIfDue is validate, where there is a validation after so many steps.
// stop is true when it was the last one of an impatient run.
func (l *loop) validateIfDue(ctx context.Context, done int64) (stop bool, err error) {
	s := l.run.state.settings
	if l.valid == nil || !validationDue(s, l.epoch, done) || done == l.validated.last {
		return false, nil
	}
	if err := l.validate(ctx, done); err != nil {
		return false, err
	}
	return s.Patience > 0 && l.validated.stale >= s.Patience, nil
}

// writeBest replaces best.safetensors by the best model of the state, and
// removes one that the state knows nothing of.
func (r *Run) writeBest() error {
	v := r.state.valid
	if v == nil {
		return nil
	}
	if v.params == nil {
		return r.disk.Remove(r.path(bestName))
	}
	return replace(r.disk, r.path(bestName), func(w io.Writer) error {
		return nn.EncodeModel(w, r.state.model, v.params)
	})
}

// refreshBest is refreshModel for the best model.
func (r *Run) refreshBest() error {
	if v := r.state.valid; v != nil && v.params != nil {
		m, params, err := nn.LoadModel(r.path(bestName))
		if err == nil && m.Size() == r.state.model.Size() && sameBits(params, v.params) {
			return nil
		}
	}
	return r.writeBest()
}
