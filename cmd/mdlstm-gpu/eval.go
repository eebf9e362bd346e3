package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/host/train"
)

type evalOptions struct {
	dataOptions
	computeOptions
	modelPath string
	steps     int64
}

func evalCommand(s streams) *cli.Command {
	o := evalOptions{dataOptions: defaultData(), computeOptions: defaultCompute(), steps: 100}
	options := append([]option{
		{name: "model", arg: "MODEL", usage: "model file, or the folder of a run", dest: &o.modelPath},
		{name: "steps", arg: "N", usage: "batches of a generated task; arrays are measured once, as a whole", dest: &o.steps},
	}, o.dataOptions.options()...)
	options = append(options, o.computeOptions.options()...)
	return command(spec{
		name: "eval", brief: "measure a model's losses",
		about: `Measures a model, without dropout and without changing it. Losses are means over all cells that
count; accuracy is the share of these whose largest output is their class. Generated samples are ones that no training sees.`,
		examples: []string{
			"eval --model runs/mine --task diagonal --size 8x8",
			"eval --model runs/mine --x X.npy --y Y.npy",
		},
	}, options, func(ctx *cli.Context, set given) error { return runEval(ctx.Context, o, set, s) })
}

// runEval prints a line for each loss.
func runEval(ctx context.Context, o evalOptions, set given, s streams) error {
	if !set["model"] {
		return usagef("--model is missing")
	}
	if err := o.dataOptions.check(set); err != nil {
		return err
	}
	if err := o.computeOptions.check(); err != nil {
		return err
	}
	switch {
	case o.Task == taskArrays && o.Y == "":
		return usagef("--task arrays needs --y Y.npy to compare with")
	case o.Task == taskArrays && set["steps"]:
		return usagef("--steps goes with a generated task: arrays are measured as a whole")
	case o.steps < 1 || o.steps > maxSteps:
		return usagef("--steps %d: want 1 to %d", o.steps, int64(maxSteps))
	}
	asked := set["task"] || set["x"] || set["size"]
	if !asked && trainedOnArrays(o.modelPath) {
		return usagef("--model %s: it was trained on arrays: give --x and --y to measure it on, or a --task", o.modelPath)
	}
	m, params, err := loadModel(o.modelPath)
	if err != nil {
		return err
	}
	if !set["channels"] {
		o.Channels = m.Config.Input
	}
	o.IgnoreIndex = m.Config.IgnoreIndex
	if o.Task == taskArrays {
		o.Loss = m.Config.Loss
	}
	src, err := o.dataOptions.open()
	if err != nil {
		return err
	}
	if err := src.Check(m); err != nil {
		if !asked {
			err = fmt.Errorf("--model %s: it does not fit the task %s, which is measured without --task: give --x and --y for arrays, or --task and --size", o.modelPath, o.Task)
		}
		return err
	}
	computer, err := o.computeOptions.find(s)
	if err != nil {
		return err
	}
	e, err := computer.open(m)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.SetParameters(params); err != nil {
		return err
	}
	first, n := -o.steps, o.steps
	if o.Task == taskArrays {
		first, n = 0, src.Spec().Steps
	}
	score, err := train.Evaluate(ctx, e, src, first, n)
	if err != nil {
		return err
	}
	loss := score.Loss
	out := &printer{w: s.out}
	out.line("loss           %s", m.Config.Loss)
	out.line("overall_loss   %.6g", loss.Sum/loss.Weight)
	if score.Cells != nil {
		out.line("accuracy       %.6g", 1-score.CellError())
	}
	if loss.RelevantCount > 0 {
		out.line("relevant_loss  %.6g", loss.Relevant/loss.RelevantCount)
	}
	out.line("batches        %d", n)
	out.line("weight         %.6g", loss.Weight)
	return out.err
}
