package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"mdlstm-gpu/host/dist"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/task"
)

// flushEvery is how long a line of the log may wait before a reader sees it.
const flushEvery = 500 * time.Millisecond

// Progress is what a step did.
type Progress struct {
	Step     int64   // counts from 0
	Steps    int64   // in all
	Loss     float64 // mean, before the update; NaN when no target counted
	Relevant float64 // NaN where the task has none
	Norm     float64 // of all gradients, before clipping
	Seconds  float64 // without waiting for the data
	Waited   float64 // seconds that it waited for them before
}

// Observer is told what happens, on the goroutine that trains: what it takes,
// training waits. Functions may be nil.
type Observer struct {
	Step       func(Progress)
	Checkpoint func(step int64) // written, with so many steps done
	Valid      func(v report.ValidLine, best bool)
	// Picture draws, for TensorBoard, what the engine's parameters answer after so
	// many steps, as PNG; nil when there is nothing to draw. Its error ends the
	// training.
	Picture func(step int64) ([]byte, error)
	Warn    func(text string)
}

// loop is one call of Train.
type loop struct {
	run    *Run
	engine engine.Engine
	next   func() ([]*engine.Batch, error) // the batches of the next step
	waited float64                         // seconds that the last next took
	log    stepLog
	see    Observer

	// Of runs with validation; valid and validLog are nil for others.
	valid     task.Source
	epoch     int64 // batches of an epoch of the training data, 0 without epochs
	validLog  validLog
	validated validState // now; a checkpoint adds the length of the log

	events   eventLog // nil for runs without Settings.TensorBoard
	pictured int64    // step of the newest picture in it, -1 = none

	weights []float64   // of each batch of a step
	plan    engine.Plan // the last one used in a step; nil when none was
	flushed time.Time

	// With several ranks.
	reducer *dist.Reducer
	stop    bool // they have agreed to
}

// Train runs the steps that are left, writing a checkpoint every
// Settings.CheckpointEvery steps and at the end. The engine must be of the run's
// model; its parameters, moments and gradients are overwritten first. The data
// must be those that the run began with, and checked against the model. Where
// they have a part for validation, the model is measured on all of it every
// Settings.ValidEvery steps, and the best one is kept in best.safetensors.
//
// Errors: [ErrNothingToDo] when the run is done; [ErrDataChanged];
// [ErrInterrupted] when ctx ended, after the current step was finished and its
// checkpoint written; *[NonFiniteError]; otherwise what the engine, the source or
// the disk said. Whatever the error, the newest checkpoint on disk is whole, and
// the log holds the steps that were done.
//
// After [Join] all ranks call Train together, each with all the data, of which it
// takes its share. The context of any of them ends the run on all after the same
// step. An error for which [dist.Agreed] is false is of this rank alone, and the
// others wait for it: end them with Abort.
func (r *Run) Train(ctx context.Context, e engine.Engine, data task.Split, see Observer) (err error) {
	if r.Done() {
		return shared(fmt.Errorf("%s: %w: %s", r.dir, ErrNothingToDo, r.HowToExtend()))
	}
	l := &loop{run: r, engine: e, see: see, pictured: -1, flushed: time.Now()}
	defer func() {
		if e := l.closeLogs(); err == nil {
			err = e
		}
	}()
	c := r.comm()
	share, err := l.begin(data)
	if err := dist.Agree(c, err); err != nil {
		return err
	}
	if err := l.adopt(); err != nil {
		return err
	}
	making := ctx
	if l.several() { // what one rank is told must not keep it from a step that all do
		making = context.WithoutCancel(ctx)
	}
	n := r.state.settings.batches()
	ahead := task.Prefetch(making, share, task.Ahead{
		From: r.state.step * n, To: r.state.settings.Steps * n, Group: int(n), Workers: r.Workers,
	})
	defer ahead.Close()
	l.next = ahead.Next
	return shared(l.steps(ctx))
}

// begin checks the data, opens the logs, loads the engine and takes all memory, or
// refuses, before the first step. It returns this rank's share of the data.
func (l *loop) begin(data task.Split) (share task.Source, err error) {
	r, c := l.run, l.run.comm()
	if got := data.Hash(); got != r.state.dataHash {
		return nil, fmt.Errorf("%s: %w: the run began with data of SHA-256 %s, these have %s: "+
			"give it the same data, or start a new run with --init %s",
			r.dir, ErrDataChanged, r.state.dataHash, got, r.path(modelName))
	}
	if share, err = task.Share(data.Train, c.Rank(), c.Size()); err != nil {
		return nil, err
	}
	if err := r.loadEngine(l.engine); err != nil {
		return nil, r.kept(fmt.Errorf("load the checkpoint into the engine: %w", err))
	}
	if l.log, err = r.disk.OpenLog(r.path(logName), r.state.logBytes); err != nil {
		return nil, err
	}
	if l.log.Next() != r.state.step {
		return nil, fmt.Errorf("%s: it has %d steps, the checkpoint %d: put the log of this run back", r.path(logName), l.log.Next(), r.state.step)
	}
	if r.state.valid != nil {
		l.validated = *r.state.valid
	}
	if _, err := l.engine.Plan(share.Largest(), engine.Capacity{}); err != nil {
		return nil, err
	}
	if err := l.openValid(data); err != nil {
		return nil, err
	}
	if r.state.settings.TensorBoard && c.Rank() == 0 {
		if l.events, err = r.openEvents(); err != nil {
			return nil, r.kept(err)
		}
	}
	return share, nil
}

// closeLogs closes what begin opened.
func (l *loop) closeLogs() error {
	var errs []error
	if l.log != nil {
		errs = append(errs, l.log.Close())
	}
	if l.validLog != nil {
		errs = append(errs, l.validLog.Close())
	}
	if l.events != nil {
		errs = append(errs, l.events.Close())
	}
	return errors.Join(errs...)
}

// loadEngine puts the checkpoint into the engine.
func (r *Run) loadEngine(e engine.Engine) error {
	if got, want := e.Model().Size(), r.state.model.Size(); got != want {
		return fmt.Errorf("%s: the engine's model has %d parameters, the run's %d", r.dir, got, want)
	}
	if err := e.SetParameters(r.state.params); err != nil {
		return err
	}
	if err := e.SetMoments(r.state.m, r.state.v, r.state.updates); err != nil {
		return err
	}
	return e.ZeroGradients()
}

// adopt makes changed settings and another engine part of the run before its
// first step, so that a kill does not lose them.
func (l *loop) adopt() error {
	r := l.run
	info, err := l.sameEngine()
	if err != nil {
		return err
	}
	if changed := r.state.engine.differs(info); changed != "" {
		if l.see.Warn != nil {
			l.see.Warn(fmt.Sprintf("%s: the engine changed (%s): the run continues, but not to the bits it would have had", r.dir, changed))
		}
		r.unsaved = true
	}
	if !r.unsaved {
		return nil
	}
	r.state.engine = info
	if err := r.checkpoint(l, r.state.step); err != nil {
		return err
	}
	return dist.Agree(r.comm(), r.writeRecord())
}

// HowToExtend says why a run is done, and how it could go on.
func (r *Run) HowToExtend() string {
	if r.StoppedEarly() {
		return fmt.Sprintf("stopped after %d steps: %d validations brought nothing better than step %d; go on with a larger --patience, or 0 for none",
			r.state.step, r.state.valid.stale, r.state.valid.best.Step)
	}
	return fmt.Sprintf("all %d steps are done; extend the run with a larger --steps", r.state.step)
}

// steps runs from the checkpoint's step to the last, or to the validation that
// stops the run.
func (l *loop) steps(ctx context.Context) error {
	s := &l.run.state.settings
	first := l.run.state.step
	if err := l.picture(first); err != nil {
		return err
	}
	if first > 0 { // a validation that was interrupted
		if stop, err := l.finish(ctx, first); stop || err != nil {
			return err
		}
	}
	for step := first; step < s.Steps; step++ {
		if l.stopping(ctx) {
			return l.interrupted(step)
		}
		began := time.Now()
		batches, err := l.next()
		l.waited = time.Since(began).Seconds()
		if err != nil && l.stopping(ctx) {
			return l.interrupted(step)
		}
		if err == nil || l.several() { // the others must learn of the error
			err = l.step(ctx, step, batches, err)
		}
		if err != nil {
			return l.stopped(step, err)
		}
		if stop, err := l.finish(ctx, step+1); stop || err != nil {
			return err
		}
	}
	return nil
}

// finish validates and writes a checkpoint where they are due after so many
// steps.
func (l *loop) finish(ctx context.Context, done int64) (stop bool, err error) {
	s := l.run.state.settings
	last := l.validated.last
	if stop, err = l.validateIfDue(ctx, done); err != nil {
		if l.stopping(ctx) {
			return true, l.interrupted(done)
		}
		return true, l.run.kept(fmt.Errorf("validation after step %d: %w", done, err))
	}
	if last != l.validated.last || done == s.Steps {
		if err := l.picture(done); err != nil {
			return true, err
		}
	}
	due := stop || done == s.Steps || s.CheckpointEvery > 0 && done%s.CheckpointEvery == 0
	if due && (done != l.run.state.step || last != l.validated.last) {
		err = l.checkpoint(done)
	}
	return stop, err
}

// step trains on the batches of a step and logs it; gathered is why there are
// none.
func (l *loop) step(ctx context.Context, step int64, batches []*engine.Batch, gathered error) error {
	started := time.Now()
	p, err := l.train(ctx, step, batches, gathered)
	if err != nil {
		return err
	}
	now := time.Now()
	p.Seconds, p.Waited = now.Sub(started).Seconds(), l.waited
	line := report.LogLine{Step: step, Overall: p.Loss, Seconds: p.Seconds, Relevant: p.Relevant}
	if err := l.log.Append(line); err != nil {
		return err
	}
	if l.events != nil {
		if err := tellStep(l.events, line, l.run.state.settings.RateAt(step)); err != nil {
			return err
		}
	}
	if now.Sub(l.flushed) >= flushEvery {
		l.flushed = now
		if err := l.flush(); err != nil {
			return err
		}
	}
	if l.see.Step != nil {
		l.see.Step(p)
	}
	return nil
}

// flush hands what was logged to the operating system.
func (l *loop) flush() error {
	if err := l.log.Flush(); err != nil || l.events == nil {
		return err
	}
	return l.events.Flush()
}

// train computes a step. One of whose batches no target counts changes nothing
// and has the loss NaN.
func (l *loop) train(ctx context.Context, step int64, batches []*engine.Batch, err error) (Progress, error) {
	s := &l.run.state.settings
	p := Progress{Step: step, Steps: s.Steps, Loss: math.NaN(), Relevant: math.NaN()}
	weight, err := l.weigh(ctx, batches, err)
	if err != nil {
		return p, err
	}
	total, err := l.gradients(step, batches, weight)
	if err := l.sumLoss(ctx, &total, err); err != nil {
		return p, err
	}
	if total.Weight == 0 {
		return p, nil
	}
	if !finite(total.Sum / total.Weight) {
		return p, l.diverged(step)
	}
	p.Loss = total.Sum / total.Weight
	if total.RelevantCount > 0 {
		p.Relevant = total.Relevant / total.RelevantCount
	}
	if err := l.reduce(); err != nil {
		return p, err
	}
	result, err := l.engine.Update(engine.Update{Optimizer: s.Optimizer, LR: s.RateAt(step), Momentum: s.Momentum, Clip: s.Clip})
	if err != nil {
		return p, err
	}
	if !result.Finite {
		return p, l.diverged(step)
	}
	p.Norm = result.Norm
	return p, nil
}

// gradients adds up those of this rank's batches, which are divided by the weight
// of all. It stops at a loss that is not finite.
func (l *loop) gradients(step int64, batches []*engine.Batch, weight float64) (total engine.Loss, err error) {
	for i, batch := range batches {
		if l.weights[i] == 0 {
			continue
		}
		if len(batches) > 1 { // of one, weigh has loaded it
			if _, err := l.load(batch); err != nil {
				return total, err
			}
		}
		loss, err := l.plan.Gradients(engine.Pass{Normaliser: weight, Seed: l.run.state.settings.Seed, Step: step})
		if err != nil {
			return total, err
		}
		total.Add(loss)
		if !finite(total.Sum / total.Weight) {
			break
		}
	}
	return total, nil
}

// diverged makes the error of a step that met NaN or infinity.
func (l *loop) diverged(step int64) error {
	where := ""
	var err error
	if l.plan != nil {
		where, err = l.plan.FindNonFinite()
	}
	if l.several() { // one of them knows
		if where, err = firstText(l.run.comm(), where); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if where == "" { // only their sum is not finite
		where = "the loss or the norm of the gradients"
	}
	return &NonFiniteError{Step: step, Where: where, Checkpoint: l.run.path(stateName), GoodStep: l.run.state.step}
}

// stopped makes the error of a step.
func (l *loop) stopped(step int64, err error) error {
	var diverged *NonFiniteError
	if errors.As(err, &diverged) {
		return err
	}
	return l.run.kept(fmt.Errorf("step %d: %w", step, err))
}

// kept adds to an error what is left of the run.
func (r *Run) kept(err error) error {
	return fmt.Errorf("%w; the checkpoint of step %d is kept in %s", err, r.state.step, r.path(stateName))
}

// checkpoint writes one with so many steps done.
func (l *loop) checkpoint(done int64) error {
	if err := l.run.checkpoint(l, done); err != nil {
		return err
	}
	l.flushed = time.Now()
	if l.see.Checkpoint != nil {
		l.see.Checkpoint(done)
	}
	return nil
}

// interrupted ends the run before a step: what was done is saved first.
func (l *loop) interrupted(step int64) error {
	if step != l.run.state.step {
		if err := l.checkpoint(step); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w after %d of %d steps: continue with --resume %s", ErrInterrupted, step, l.run.state.settings.Steps, l.run.dir)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
