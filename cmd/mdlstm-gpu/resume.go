package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/train"
)

// resumeFlags may stand beside --resume: the run has its own settings.
var resumeFlags = append([]string{"resume", "steps", "patience", "checkpoint-every", "tensorboard", "recompute"}, machineFlags...)

// runResume continues a run.
func runResume(ctx context.Context, o trainOptions, set given, s streams) error {
	for _, flag := range slices.Sorted(maps.Keys(set)) {
		if !slices.Contains(resumeFlags, flag) {
			return usagef("--%s beside --resume: the run keeps its settings; only --%s may be given", flag, strings.Join(resumeFlags[1:], ", --"))
		}
	}
	if err := o.computeOptions.check(); err != nil {
		return err
	}
	if o.Steps > maxSteps {
		return usagef("--steps %d: want 1 to %d", o.Steps, int64(maxSteps))
	}
	var c train.Changes
	for flag, store := range map[string]func(){
		"steps":            func() { c.Steps = &o.Steps },
		"patience":         func() { c.Patience = &o.Patience },
		"checkpoint-every": func() { c.CheckpointEvery = &o.CheckpointEvery },
		"tensorboard":      func() { c.TensorBoard = &o.TensorBoard },
		"device":           func() { c.Device = &o.Device },
		"threads":          func() { c.Threads = &o.Threads },
		"recompute":        func() { c.Recompute = &o.Recompute },
	} {
		if set[flag] {
			store()
		}
	}
	run, err := train.Open(o.Resume, c)
	if err != nil {
		return err
	}
	t := &training{run: run, s: s}
	defer run.Close()
	for _, warning := range run.Warnings() {
		fmt.Fprintf(s.err, "warning: %s\n", oneLine(errors.New(warning)))
	}
	settings := run.Settings()
	if set["patience"] && !run.Validates() {
		return usagef("--patience: the run %s has no data to validate on", o.Resume)
	}
	if set["steps"] && settings.Schedule.Kind == train.ScheduleCosine && !run.StoppedEarly() {
		fmt.Fprintf(s.err, "warning: the cosine schedule now ends at step %d: the learning rate goes on at %.3g\n", settings.Steps, settings.RateAt(run.Step()))
	}
	if run.Done() {
		fmt.Fprintf(s.err, "%s: %s\n", o.Resume, run.HowToExtend())
		if settings.TensorBoard {
			if err := run.WriteEvents(); err != nil {
				return err
			}
		}
		if err := refreshReport(ctx, run, o.computeOptions, s); err != nil {
			return err
		}
		return t.summary(s.out)
	}
	use := computeOptions{Device: settings.Device, Kernels: o.Kernels, Threads: settings.Threads, BLAS: o.BLAS, Recompute: settings.Recompute}
	if !set["blas"] {
		use.BLAS = sameBLAS(run.Engine())
	}
	if !set["kernels"] && use.Device != "cpu" {
		use.Kernels = sameKernels(run.Engine())
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
	if t.engine, err = t.compute.open(run.Model()); err != nil {
		return err
	}
	defer t.engine.Close()
	// Memory is refused before any work; and only with a plan the engine knows
	// the kernels that it will run.
	if _, err := t.engine.Plan(t.data.Train.Largest(), engine.Capacity{}); err != nil {
		return err
	}
	t.initial = firstParams(settings, run.Model())
	t.announce()
	if err := t.train(ctx); err != nil {
		return err
	}
	return t.summary(s.out)
}

// refreshReport writes the report of a finished run when there is none, or only
// that of before the last checkpoint: a full disk or a kill came between.
func refreshReport(ctx context.Context, run *train.Run, c computeOptions, s streams) error {
	model, err := os.Stat(filepath.Join(run.Dir(), modelFile)) // the end of a checkpoint
	if err != nil {
		return err
	}
	page, err := os.Stat(filepath.Join(run.Dir(), reportFile))
	if err == nil && !page.ModTime().Before(model.ModTime()) {
		return nil
	}
	v, err := readRun(run.Dir())
	if err != nil {
		return err
	}
	found, err := c.find(s)
	if err != nil {
		return err
	}
	drawn, err := v.draw(ctx, found, s)
	if err != nil {
		return err
	}
	return report.WriteRun(run.Dir(), drawn)
}
