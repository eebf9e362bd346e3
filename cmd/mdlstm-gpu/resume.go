package main

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"mdlstm-gpu/host/dist"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/train"
)

// resumeFlags may stand beside --resume: the run has its own settings.
var resumeFlags = append([]string{"resume", "steps", "patience", "checkpoint-every", "tensorboard", "recompute", "distributed"}, machineFlags...)

// runResume continues a run.
func runResume(ctx context.Context, o trainOptions, set given, s streams) error {
	changes, err := o.changes(set)
	if err := o.agree(err); err != nil {
		return err
	}
	var run *train.Run
	if o.first() {
		run, err = train.Open(o.Resume, changes)
	}
	if run, err = train.Join(o.ranks, run, err); err != nil {
		return err
	}
	defer run.Close()
	for _, warning := range run.Warnings() {
		s.note("warning: %s\n", oneLine(errors.New(warning)))
	}
	t := &training{run: run, s: s, compute: computer{asked: o.computeOptions}}
	if run.Done() {
		if set["patience"] && !run.Validates() {
			return dist.Common(noPatience(o.Resume))
		}
		return dist.Common(t.finished(ctx, o))
	}
	err = t.reopen(o, set)
	if t.engine != nil {
		defer t.engine.Close()
	}
	if err := o.agree(err); err != nil {
		return err
	}
	t.announce()
	if err := t.train(ctx); err != nil {
		return err
	}
	return t.summary(s.out)
}

// changes are what the flags change about the run.
func (o *trainOptions) changes(set given) (c train.Changes, err error) {
	for _, flag := range slices.Sorted(maps.Keys(set)) {
		if !slices.Contains(resumeFlags, flag) {
			return c, usagef("--%s beside --resume: the run keeps its settings; only --%s may be given", flag, strings.Join(resumeFlags[1:], ", --"))
		}
	}
	if err := o.computeOptions.check(); err != nil {
		return c, err
	}
	if o.Steps > maxSteps {
		return c, usagef("--steps %d: want 1 to %d", o.Steps, int64(maxSteps))
	}
	for flag, store := range map[string]func(){
		"steps":            func() { c.Steps = &o.Steps },
		"patience":         func() { c.Patience = &o.Patience },
		"checkpoint-every": func() { c.CheckpointEvery = &o.CheckpointEvery },
		"tensorboard":      func() { c.TensorBoard = &o.TensorBoard },
		"device":           func() { c.Device = &o.Device },
		"threads":          func() { c.Threads = &o.Threads },
		"recompute":        func() { c.Recompute = &o.Recompute },
		"precision":        func() { c.Precision = &o.Precision },
	} {
		if set[flag] {
			store()
		}
	}
	return c, nil
}

// noPatience refuses --patience for a run without validations.
func noPatience(dir string) error {
	return usagef("--patience: the run %s has no data to validate on", dir)
}

// finished says that nothing is left to do.
func (t *training) finished(ctx context.Context, o trainOptions) error {
	if !o.first() {
		return nil
	}
	t.s.note("%s: %s\n", o.Resume, t.run.HowToExtend())
	if t.run.Settings().TensorBoard {
		if err := t.run.WriteEvents(); err != nil {
			return err
		}
	}
	if err := refreshReport(ctx, t.run, o.computeOptions, t.s); err != nil {
		return err
	}
	return t.summary(t.s.out)
}

// reopen makes the data and the engine of a run that goes on. Memory is refused
// before any work.
func (t *training) reopen(o trainOptions, set given) error {
	run, s := t.run, t.s
	settings := run.Settings()
	if set["patience"] && !run.Validates() {
		return noPatience(o.Resume)
	}
	if err := o.checkBatch(settings.Batch); err != nil {
		return err
	}
	if set["steps"] && settings.Schedule.Kind == train.ScheduleCosine && !run.StoppedEarly() {
		s.note("warning: the cosine schedule now ends at step %d: the learning rate goes on at %.3g\n", settings.Steps, settings.RateAt(run.Step()))
	}
	use := o.computeOptions
	use.Device, use.Threads, use.Recompute = settings.Device, settings.Threads, settings.Recompute
	use.Precision = cmp.Or(settings.Precision, string(gpu.Float32))
	if !set["blas"] {
		use.BLAS = sameBLAS(run.Engine())
	}
	data, err := dataOfRun(settings)
	if err != nil {
		return err
	}
	data.say = s.err
	if t.data, err = data.open(); err != nil {
		return err
	}
	sayFolderNotes(s.err, t.data.Train, t.data.Valid)
	if err := t.data.Check(run.Model()); err != nil {
		return err
	}
	if t.compute, err = use.find(s); err != nil {
		return err
	}
	if !set["kernels"] {
		t.compute.Kernels = sameKernels(run.Engine(), t.compute.GPU)
	}
	if t.engine, err = t.compute.open(run.Model()); err != nil {
		return err
	}
	// Only with a plan the engine knows the kernels that it will run.
	share, err := t.compute.share(t.data.Train)
	if err != nil {
		return err
	}
	if _, err := t.engine.Plan(share.Largest(), engine.Capacity{}); err != nil {
		return err
	}
	t.initial = firstParams(settings, run.Model())
	return nil
}

// refreshReport writes the report of a finished run when there is none, or only
// that of an earlier state: a full disk or a kill came between.
func refreshReport(ctx context.Context, run *train.Run, c computeOptions, s streams) error {
	v, err := readRun(run.Dir())
	if err != nil {
		return err
	}
	drawn, err := report.DrawnProgress(filepath.Join(run.Dir(), reportFile))
	if err == nil && drawn == report.Progress(v.log, v.valid, v.warning != "") {
		return nil
	}
	found, err := c.find(s)
	if err != nil {
		return err
	}
	page, err := v.draw(ctx, found, s)
	if err != nil {
		return err
	}
	return report.WriteRun(run.Dir(), page)
}
