package main

import (
	"context"
	"time"

	"mdlstm-gpu/host/engine"
)

// drySteps are the steps that a dry run measures, after one that warms up.
const drySteps = 3

// runDryRun says what a training would take, by a few real steps on its first
// batches. It writes nothing to disk.
func runDryRun(ctx context.Context, p *prepared, c computer, s streams) error {
	e, plan, err := p.open(c)
	if err != nil {
		return err
	}
	defer e.Close()
	var seconds []float64
	for t := range int64(1 + drySteps) {
		if err := ctx.Err(); err != nil {
			return err
		}
		took, err := oneStep(e, p, t)
		if err != nil {
			return err
		}
		if t > 0 {
			seconds = append(seconds, took)
		}
	}
	total, perRow := plan.Bytes()
	step := median(seconds)
	out := &printer{w: s.out}
	out.line("model          %s on %s", p.settings.Name, taskText(p.settings))
	for i, l := range p.model.Config.Layers {
		out.line("layer %-8d %s", i, layerText(l))
	}
	for _, line := range understood(p.data, p.model) {
		out.line("%-14s %s", line[0], line[1])
	}
	out.line("engine         %s", c.describe(e.Info()))
	out.line("parameters     %d (%s with gradients and the optimizer's moments)", p.model.Size(), formatBytes(16*int64(p.model.Size())))
	out.line("batch memory   %s, %.0f bytes a cell", formatBytes(total), perRow)
	out.line("step           %s (median of %d real steps of %s)", formatMillis(step), drySteps, stepText(p.settings))
	out.line("learning rate  %v, %s", p.settings.LR, p.settings.Schedule)
	if p.data.Valid != nil {
		every := "once an epoch"
		if n := p.settings.ValidEvery; n > 0 {
			every = "every " + count(n, "step")
		}
		out.line("validation     %s", every)
	}
	all, unit := time.Duration(step*float64(p.settings.Steps)*float64(time.Second)), time.Second/10
	if all >= time.Minute {
		unit = time.Second
	}
	out.line("%-14s about %s", count(p.settings.Steps, "step"), all.Round(unit))
	return out.err
}

// oneStep trains on the batches of step t and returns how long it took, without
// the data.
func oneStep(e engine.Engine, p *prepared, t int64) (seconds float64, err error) {
	var batch engine.Batch
	n := int64(max(1, p.settings.Accumulate))
	for i := t * n; i < (t+1)*n; i++ {
		if err := p.data.Train.Batch(i, &batch); err != nil {
			return 0, err
		}
		began := time.Now()
		plan, err := e.Plan(batch.Samples, engine.Capacity{})
		if err != nil {
			return 0, err
		}
		if _, err := plan.Load(&batch); err != nil {
			return 0, err
		}
		if _, err := plan.Gradients(engine.Pass{Seed: p.settings.Seed, Step: t}); err != nil {
			return 0, err
		}
		seconds += time.Since(began).Seconds()
	}
	began := time.Now()
	_, err = e.Update(engine.Update{
		Optimizer: p.settings.Optimizer, LR: p.settings.RateAt(t), Momentum: p.settings.Momentum, Clip: p.settings.Clip,
	})
	return seconds + time.Since(began).Seconds(), err
}
