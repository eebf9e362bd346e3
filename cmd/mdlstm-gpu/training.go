package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"time"

	"mdlstm-gpu/host/dist"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// training is a run with all that it needs: what train, train --resume and
// compare have in common.
type training struct {
	run     *train.Run
	engine  engine.Engine
	data    task.Split
	initial []float32 // parameters of step 0; nil when they are not known
	compute computer
	s       streams

	// Seconds of the steps that were done here: waiting for their data, and with it.
	waited, stepping float64
	wall             float64 // seconds of the whole run; 0 when it was done in parts
}

// announce says what is about to happen.
func (t *training) announce() {
	settings := t.run.Settings()
	t.s.note("%s on %s: %s, steps %d to %d of %s\n", settings.Name, taskText(settings),
		count(t.run.Model().Size(), "parameter"), t.run.Step()+1, settings.Steps, stepText(settings))
	for _, line := range understood(t.data, t.run.Model()) {
		t.s.note("%-8s %s\n", line[0], line[1])
	}
	t.s.note("%s\n", t.compute.describe(t.engine.Info()))
	if n := t.compute.asked.ranks.Size(); n > 1 {
		t.s.note("%d ranks, each with %s of a batch\n", n, shareText(settings.Batch, n))
	}
	t.s.note("run folder: %s\n", t.run.Dir())
}

// shareText is a rank's share of a batch.
func shareText(batch, ranks int) string {
	if batch%ranks == 0 {
		return count(batch/ranks, "sample")
	}
	return fmt.Sprintf("%d or %s", batch/ranks, count(batch/ranks+1, "sample"))
}

// stepText is what a step is trained on.
func stepText(s train.Settings) string {
	text := count(s.Batch, "sample")
	if s.Accumulate > 1 {
		text = fmt.Sprintf("%d times %s", s.Accumulate, text)
	}
	return text
}

// validText is a validation in words.
func validText(v report.ValidLine, best bool) string {
	parts := []string{"loss " + formatLoss(v.Loss)}
	if !math.IsNaN(v.Error) {
		parts = append(parts, fmt.Sprintf("cell error %.2f %%", 100*v.Error))
	}
	if !math.IsNaN(v.LabelError) {
		parts = append(parts, fmt.Sprintf("label error %.2f %%", 100*v.LabelError))
	}
	if best {
		parts = append(parts, "(best)")
	}
	return strings.Join(parts, "  ")
}

// close gives the run and the engine free. All that matters is on disk before.
func (t *training) close() {
	t.run.Close()
	t.engine.Close()
}

// train runs the steps that are left, shows them, and writes the report. A
// training that was interrupted or met NaN has a report too, which says so.
func (t *training) train(ctx context.Context) error {
	settings, fresh := t.run.Settings(), t.run.Step() == 0
	bar := newProgress(t.s.err, t.run.Step(), settings.Steps)
	several := t.compute.asked.ranks.Size() > 1
	stopNote := context.AfterFunc(ctx, func() {
		bar.line("interrupted: finishing this step and writing its checkpoint; a second Ctrl-C ends at once")
		if several { // the launcher says so to the rest when one of them has died
			bar.line("should a rank be gone, the step cannot be finished: the newest checkpoint is whole, continue with --resume %s", t.run.Dir())
		}
	})
	// Made before the training asks for batches, on another goroutine.
	var example engine.Batch
	if settings.TensorBoard {
		if err := t.data.Train.Example(&example); err != nil {
			return err
		}
	}
	t.run.Workers = t.compute.BatchWorkers()
	began := time.Now()
	err := t.run.Train(ctx, t.engine, t.data, train.Observer{
		Step: func(p train.Progress) {
			t.waited += p.Waited
			t.stepping += p.Waited + p.Seconds
			bar.step(p)
		},
		Warn: func(text string) { bar.line("warning: %s", text) },
		Valid: func(v report.ValidLine, best bool) {
			bar.line("valid %d  %s", v.Step, validText(v, best))
		},
		Picture: func(step int64) ([]byte, error) {
			p, err := pictureOf(t.engine, t.data.Train.Spec(), &example, step)
			if err != nil {
				return nil, err
			}
			return report.PicturePNG(*p)
		},
	})
	if fresh {
		t.wall = time.Since(began).Seconds()
	}
	stopNote()
	bar.finish()
	if errors.Is(err, train.ErrNothingToDo) || !t.compute.asked.first() {
		return err
	}
	warning := ""
	var diverged *train.NonFiniteError
	switch {
	case errors.As(err, &diverged):
		warning = fmt.Sprintf("stopped at step %d: NaN or infinity in %s", diverged.Step, diverged.Where)
	case errors.Is(err, train.ErrInterrupted):
		warning = fmt.Sprintf("interrupted after %d of %d steps", t.run.Step(), settings.Steps)
	case err != nil:
		return err
	}
	r, reportErr := t.report(warning)
	if reportErr == nil {
		reportErr = report.WriteRun(t.run.Dir(), r)
	}
	if reportErr != nil && err != nil {
		t.s.note("warning: no report: %s\n", oneLine(reportErr))
		return err
	}
	if reportErr != nil { // the other ranks need no more of this one
		return dist.Common(fmt.Errorf("the training is done and kept in %s, but not its report: %w: cure the cause and write it with train --resume %s", t.run.Dir(), reportErr, t.run.Dir()))
	}
	return err
}

// report fills in the report of the run as it lies on the disk.
func (t *training) report(warning string) (report.Run, error) {
	waited := 0.0
	if t.wall > 0 { // as far as the log goes
		waited = t.waited
	}
	v := runView{
		dir: t.run.Dir(), settings: t.run.Settings(), engine: t.engine.Info(), threads: t.compute.EngineThreads(),
		model: t.run.Model(), params: t.run.Params(), initial: t.initial,
		step: t.run.Step(), longer: longerFlags(t.run.Settings(), t.run.Step(), t.run.StoppedEarly()), waited: waited, wall: t.wall, warning: warning,
	}
	if best, ok := t.run.Best(); ok {
		v.params, v.step = t.run.BestParams(), best.Step
	}
	var err error
	if v.log, err = readLog(t.run.Dir()); err != nil {
		return report.Run{}, err
	}
	if v.valid, err = readValid(t.run.Dir()); err != nil {
		return report.Run{}, err
	}
	// Not the training's context: an interrupted run has its report too.
	return v.report(context.Background(), t.compute, t.engine, t.data)
}

// summary prints what came out and what to do next.
func (t *training) summary(out io.Writer) error {
	if !t.compute.asked.first() {
		return nil
	}
	return dist.Common(t.writeSummary(out))
}

func (t *training) writeSummary(out io.Writer) error {
	log, err := readLog(t.run.Dir())
	if err != nil {
		return err
	}
	p := &printer{w: out}
	settings := t.run.Settings()
	p.line("%s on %s: %d steps, %s a step%s", settings.Name, taskText(settings), log.Len(), formatMillis(median(log.Seconds)), t.waitedText())
	overall, n := report.FinalLoss(log.Overall)
	if relevant, _ := report.FinalLoss(log.Relevant); !math.IsNaN(relevant) {
		p.line("relevant loss  %s  (mean of the last %s)", formatLoss(relevant), count(n, "step"))
	}
	if math.IsNaN(overall) {
		p.line("overall loss   none: in the last %s no target counts", count(n, "step"))
	} else {
		p.line("overall loss   %s  (mean of the last %s)", formatLoss(overall), count(n, "step"))
	}
	model := modelFile
	if best, ok := t.run.Best(); ok {
		model = bestFile
		p.line("best           %s after step %d", validText(best, false), best.Step)
	}
	if t.run.StoppedEarly() {
		p.line("stopped early  %s", t.run.HowToExtend())
	}
	p.line("report         %s", filepath.Join(t.run.Dir(), reportFile))
	p.line("model          %s", filepath.Join(t.run.Dir(), model))
	p.line("")
	p.line("Next:")
	for _, c := range nextCommands(t.run.Dir(), settings, longerFlags(settings, t.run.Step(), t.run.StoppedEarly())) {
		p.line("  %s", c.Line)
	}
	return p.err
}

// waitedText is the share of their time that the steps done here waited for data;
// "" when none was done.
func (t *training) waitedText() string {
	if t.stepping == 0 {
		return ""
	}
	return fmt.Sprintf(", waited for data %.1f %% of the time", 100*t.waited/t.stepping)
}
