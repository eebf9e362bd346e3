package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/train"
)

// compareOptions are those of a training of the three models.
type compareOptions struct {
	trainOptions
}

// options are the part of train's that makes sense for three models at once.
func (o *compareOptions) options() []option {
	keep := map[string]bool{
		"task": true, "size": true, "batch": true, "channels": true, "seed": true, "anisotropic": true,
		"hidden": true, "steps": true, "optimizer": true, "lr": true, "momentum": true, "clip": true,
		"checkpoint-every": true, "device": true, "kernels": true, "precision": true, "threads": true, "blas": true,
	}
	var list []option
	for _, one := range o.trainOptions.options() {
		switch one.name {
		case "out":
			one.usage = "new folder of the comparison; without it runs/compare-DATE-TIME"
		case "task":
			one.usage = "diagonal (the seed's) or fields (Gaussian random fields)"
		}
		if keep[one.name] || one.name == "out" {
			list = append(list, one)
		}
	}
	return list
}

func compareCommand(s streams) *cli.Command {
	o := compareOptions{defaultTrain()}
	return command(spec{
		name: "compare", brief: "train the seed's three models, or compare runs", args: "[RUN …]",
		about: `Trains MD_LSTM, HORIZONTAL_SD_LSTM and SNAKE_SD_LSTM on the same data with one seed, draws
their losses over each other (loss.png, relevant_loss.png) and writes report.html.

With the folders of runs it draws these instead; then only --out and the flags of the machine may
be given.`,
		examples: []string{
			"compare",
			"compare --steps 200 --out runs/quick",
			"compare runs/a runs/b",
		},
	}, o.options(), func(ctx *cli.Context, set given) error {
		if ctx.NArg() > 0 {
			return runCompareRuns(ctx.Context, o, set, ctx.Args().Slice(), s)
		}
		return runCompare(ctx.Context, o, set, s)
	})
}

// runCompare trains the three models, one after another, each in a folder of
// its name below the comparison's.
func runCompare(ctx context.Context, o compareOptions, set given, s streams) error {
	if ofFiles(o.Task) {
		return usagef("--task %s: compare trains on generated tasks: train each model by itself, then compare the runs", o.Task)
	}
	var all []*prepared
	for _, model := range models {
		o.Model = model
		p, err := prepare(o.trainOptions, set)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	computer, err := o.computeOptions.find(s)
	if err != nil {
		return err
	}
	if set["out"] {
		if err := checkNewFolder(o.Out); err != nil {
			return err
		}
	}
	var c report.Comparison
	dir := ""
	for i, p := range all {
		r, err := trainOne(ctx, p, computer, func() (string, error) {
			// Made when the first engine has its memory: a refusal leaves nothing.
			if dir == "" {
				var err error
				if dir, err = compareFolder(o.Out, s); err != nil {
					return "", err
				}
			}
			return filepath.Join(dir, p.settings.Name), nil
		}, s)
		if errors.Is(err, train.ErrInterrupted) {
			o.sayHowToContinue(dir, models[i], models[i+1:], set, s)
		}
		if err != nil {
			return err
		}
		c.Runs = append(c.Runs, r)
	}
	c.Task, c.Machine = c.Runs[0].Task, c.Runs[0].Machine
	c.Settings = sharedSettings(c.Runs)
	if isSeedExperiment(all) {
		c.Published, c.PublishedSource = seedFigures, seedSource
	}
	if err := writeComparison(dir, c, s); err != nil {
		var runs []string
		for _, model := range models {
			runs = append(runs, quote(filepath.Join(dir, model)))
		}
		return fmt.Errorf("the trainings are done and kept in %s, but not their comparison: %w: cure the cause and draw it with compare %s", dir, err, strings.Join(runs, " "))
	}
	return nil
}

// trainOne trains one of the models in its folder and returns what the comparison shows.
func trainOne(ctx context.Context, p *prepared, c computer, folder func() (string, error), s streams) (report.Run, error) {
	t, err := p.start(c, s, folder)
	if err != nil {
		return report.Run{}, err
	}
	defer t.close()
	if err := t.train(ctx); err != nil {
		return report.Run{}, err
	}
	return t.report("")
}

// sayHowToContinue prints the commands that finish a comparison in dir which was
// interrupted while it trained a model.
func (o *compareOptions) sayHowToContinue(dir, interrupted string, untrained []string, set given, s streams) {
	folder := func(model string) string { return quote(filepath.Join(dir, model)) }
	if len(untrained) > 0 {
		s.note("not trained: %s\n", strings.Join(untrained, ", "))
	}
	s.note("finish the comparison with:\n  %s train --resume %s\n", program, folder(interrupted))
	for _, model := range untrained {
		s.note("  %s train --model %s%s --out %s\n", program, model, o.given(set), folder(model))
	}
	line := fmt.Sprintf("  %s compare --out %s", program, quote(filepath.Clean(dir)+"-whole"))
	for _, model := range models {
		line += " " + folder(model)
	}
	s.note("%s\n", line)
}

// given writes the flags that the user set, but for --out, as train takes them.
func (o *compareOptions) given(set given) string {
	text := ""
	for _, one := range o.options() {
		if !set[one.name] || one.name == "out" {
			continue
		}
		text += " --" + one.name
		if _, isSwitch := one.dest.(*bool); !isSwitch {
			text += " " + quote(fmt.Sprint(reflect.ValueOf(one.dest).Elem()))
		}
	}
	return text
}

// compareFolder makes the folder of a comparison.
func compareFolder(dir string, s streams) (string, error) {
	var err error
	if dir == "" {
		dir, err = train.DefaultFolder("compare", time.Now())
	} else {
		err = checkNewFolder(dir)
		if err == nil {
			err = os.MkdirAll(dir, 0o777)
		}
	}
	if err != nil {
		return "", err
	}
	s.note("comparison: %s\n", dir)
	return dir, nil
}

// runCompareRuns draws runs that exist.
func runCompareRuns(ctx context.Context, o compareOptions, set given, dirs []string, s streams) error {
	for flag := range set {
		if flag != "out" && !slices.Contains(machineFlags, flag) {
			return usagef("--%s beside runs: they are trained already: give --out or flags of the machine only", flag)
		}
	}
	computer, err := o.computeOptions.find(s)
	if err != nil {
		return err
	}
	var c report.Comparison
	for _, dir := range dirs {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, err := readRun(dir)
		if err != nil {
			return err
		}
		r, err := v.draw(ctx, computer, s)
		if err != nil {
			return err
		}
		c.Runs = append(c.Runs, r)
	}
	c.Machine, c.Settings = c.Runs[0].Machine, sharedSettings(c.Runs)
	if task := c.Runs[0].Task; !slices.ContainsFunc(c.Runs, func(r report.Run) bool { return r.Task != task }) {
		c.Task = task
	}
	dir, err := compareFolder(o.Out, s)
	if err != nil {
		return err
	}
	return writeComparison(dir, c, s)
}

// draw fills in the report of a run on the disk. When its data are gone it has
// no pictures, and a warning says so.
func (v runView) draw(ctx context.Context, c computer, s streams) (report.Run, error) {
	e, err := c.open(v.model)
	if err != nil {
		return report.Run{}, err
	}
	defer e.Close()
	data, err := dataOfRun(v.settings)
	if err != nil {
		return report.Run{}, err
	}
	split, err := data.open()
	if err == nil {
		err = split.Check(v.model)
	}
	if err != nil {
		s.note("warning: %s: no pictures: %s\n", v.dir, oneLine(err))
		v.initial = nil
		return v.page(), nil
	}
	return v.report(ctx, c, e, split)
}

// sharedSettings are the settings that all runs have in common.
func sharedSettings(runs []report.Run) []report.KV {
	var shared []report.KV
	for _, kv := range runs[0].Settings {
		same := true
		for _, r := range runs[1:] {
			found := false
			for _, other := range r.Settings {
				found = found || other == kv
			}
			same = same && found
		}
		if same {
			shared = append(shared, kv)
		}
	}
	return shared
}

// writeComparison writes the page and prints its table.
func writeComparison(dir string, c report.Comparison, s streams) error {
	for i, name := range labels(c.Runs) {
		c.Runs[i].Model = name
	}
	if err := report.WriteComparison(dir, c); err != nil {
		return err
	}
	out := &printer{w: s.out}
	width := len("model")
	for _, r := range c.Runs {
		width = max(width, len(r.Model))
	}
	out.line("%-*s  %10s  %12s  %12s  %10s", width, "model", "parameters", "overall loss", "relevant loss", "a step")
	for _, r := range c.Runs {
		relevant := "-"
		if v, _ := report.FinalLoss(r.Log.Relevant); !math.IsNaN(v) {
			relevant = formatLoss(v)
		}
		overall, _ := report.FinalLoss(r.Log.Overall)
		out.line("%-*s  %10d  %12s  %13s  %10s", width, r.Model, r.Parameters, formatLoss(overall), relevant, formatMillis(median(r.Log.Seconds)))
	}
	out.line("(losses: means of %s; a step: median)", report.FinalSteps(c.Runs))
	out.line("report  %s", filepath.Join(dir, reportFile))
	return out.err
}

// labels are the models' names, with the run's where several have one model.
func labels(runs []report.Run) []string {
	times := map[string]int{}
	for _, r := range runs {
		times[r.Model]++
	}
	var names []string
	for _, r := range runs {
		name := r.Model
		if times[name] > 1 {
			name += " " + r.Name
		}
		names = append(names, name)
	}
	return names
}

// What the seed's own code does on its experiment, measured by running it.
var (
	seedFigures = []report.Published{
		{Model: modelMD, Overall: "0.0145", Relevant: "0.0010", StepTime: "24 ms"},
		{Model: modelHorizontal, Overall: "0.0277", Relevant: "0.83", StepTime: "1.3 ms"},
		{Model: modelSnake, Overall: "0.0150", Relevant: "0.0095", StepTime: "5.7 ms"},
	}
	seedSource = "philipperemy/tensorflow-multi-dimensional-lstm, run on TensorFlow 2.15 with 2 cores (Zen 4), 1000 steps"
)

// isSeedExperiment says whether the seed's figures are comparable.
func isSeedExperiment(all []*prepared) bool {
	standard := defaultTrain()
	for _, p := range all {
		s := p.settings
		if s.Task != taskDiagonal || s.Data["size"] != standard.Size || s.Data["channels"] != "1" || s.Batch != standard.Batch ||
			s.Steps != standard.Steps || s.LR != standard.LR || string(s.Optimizer) != standard.Optimizer || s.Clip != 0 ||
			s.Model.Layers[0].Hidden != standard.Hidden {
			return false
		}
	}
	return true
}
