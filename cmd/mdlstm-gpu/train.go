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
	"time"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// trainOptions are all that train can be told; those with a TOML name also in a
// file.
type trainOptions struct {
	dataOptions
	modelOptions
	computeOptions

	Steps           int64   `toml:"steps"`
	Epochs          int64   `toml:"epochs"`
	Optimizer       string  `toml:"optimizer"`
	LR              float64 `toml:"lr"`
	Momentum        float64 `toml:"momentum"`
	Clip            float64 `toml:"clip"`
	CheckpointEvery int64   `toml:"checkpoint-every"`
	Out             string  `toml:"out"`
	Init            string  `toml:"init"`

	Resume string `toml:"-"`
	Config string `toml:"-"`
	DryRun bool   `toml:"-"`
}

// defaultTrain is the seed's experiment.
func defaultTrain() trainOptions {
	s := train.DefaultSettings()
	return trainOptions{
		dataOptions: defaultData(), modelOptions: defaultModel(), computeOptions: defaultCompute(),
		Steps: s.Steps, Optimizer: string(s.Optimizer), LR: s.LR, CheckpointEvery: s.CheckpointEvery,
	}
}

func (o *trainOptions) options() []option {
	list := append(o.dataOptions.options(),
		option{name: "shuffle", group: "Data", usage: "arrays: another order in every epoch; else batches follow the file", dest: &o.Shuffle},
		option{name: "loss", arg: "NAME", group: "Data", usage: "arrays: mse, cross_entropy or binary_cross_entropy; without it cross_entropy for integers, mse for floats", dest: &o.Loss},
		option{name: "ignore-index", arg: "C", group: "Data", usage: "arrays: class number of cells that do not count", dest: &o.IgnoreIndex},
	)
	list = append(list, o.modelOptions.options()...)
	list = append(list,
		option{name: "init", arg: "MODEL", group: "Model", usage: "model file to begin with: gives architecture, head, loss and parameters", dest: &o.Init},
		option{name: "steps", arg: "N", group: "Training", usage: "steps in all", dest: &o.Steps},
		option{name: "epochs", arg: "N", group: "Training", usage: "arrays: passes over the data, instead of --steps", dest: &o.Epochs},
		option{name: "optimizer", arg: "adam|sgd", group: "Training", usage: "rule of an update", dest: &o.Optimizer},
		option{name: "lr", arg: "RATE", group: "Training", usage: "learning rate", dest: &o.LR},
		option{name: "momentum", arg: "M", group: "Training", usage: "sgd only", dest: &o.Momentum},
		option{name: "clip", arg: "NORM", group: "Training", usage: "largest norm of all gradients together, 0 = no limit", dest: &o.Clip},
		option{name: "out", arg: "RUN", group: "Run", usage: "new folder of the run; without it runs/MODEL-DATE-TIME", dest: &o.Out},
		option{name: "resume", arg: "RUN", group: "Run", usage: "continue a run with its own settings; beside it only --steps (more), --checkpoint-every and those of the machine", dest: &o.Resume},
		option{name: "checkpoint-every", arg: "N", group: "Run", usage: "steps between checkpoints, 0 = only at the end", dest: &o.CheckpointEvery},
		option{name: "config", arg: "FILE.toml", group: "Run", usage: "flags from a file: lines such as lr = 0.01; flags on the command line win", dest: &o.Config},
		option{name: "dry-run", group: "Run", usage: "say parameters, memory and time of a step, and write nothing", dest: &o.DryRun},
	)
	return append(list, o.computeOptions.options()...)
}

func trainCommand(s streams) *cli.Command {
	o := defaultTrain()
	options := o.options()
	return command(spec{
		name: "train", brief: "train a model",
		about: `Trains a model and leaves a folder with its log, checkpoints, model file,
curves, pictures and report.html. Without flags it is the seed's experiment: MD_LSTM on the random
diagonal task.

Ctrl-C and SIGTERM finish the step, write a checkpoint and exit 130; --resume continues to
the same bits as a run that was not stopped. A finished run resumed exits 0.`,
		examples: []string{
			"train",
			"train --model SNAKE_SD_LSTM --seed 3",
			"train --task fields --size 32x32 --cell stable --directions all",
			"train --x X.npy --y Y.npy --epochs 20 --out runs/mine",
			"train --resume runs/mine --steps 5000",
			"train --size 128x128 --dry-run",
		},
	}, options, func(ctx *cli.Context, set given) error {
		if o.Config != "" {
			// What the command line sets wins: it is stored again, over the file's.
			fromFile, err := readConfig(o.Config, &o, options)
			if err != nil {
				return err
			}
			if set, err = assign(ctx, options); err != nil {
				return err
			}
			maps.Copy(set, fromFile)
		}
		return runTrain(ctx.Context, o, set, s)
	})
}

// runTrain trains a new run, or continues one.
func runTrain(ctx context.Context, o trainOptions, set given, s streams) error {
	if set["resume"] {
		return runResume(ctx, o, set, s)
	}
	p, err := prepare(o, set)
	if err != nil {
		return err
	}
	for _, warning := range p.model.Config.GrowthWarnings() {
		fmt.Fprintf(s.err, "warning: %s\n", warning)
	}
	if o.DryRun {
		return runDryRun(ctx, p, o.computeOptions, s)
	}
	if set["out"] {
		if err := checkNewFolder(o.Out); err != nil {
			return err
		}
	}
	t, err := p.start(o.computeOptions, s, func() (string, error) {
		if o.Out != "" {
			return o.Out, nil
		}
		return train.DefaultFolder(p.settings.Name, time.Now())
	})
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.train(ctx); err != nil {
		return err
	}
	return t.summary(s.out)
}

// checkNewFolder refuses an --out that cannot be made, before any work. The
// folder runs, which is made without --out too, need not exist.
func checkNewFolder(out string) error {
	if filepath.Dir(filepath.Clean(out)) == "runs" {
		if err := os.MkdirAll("runs", 0o777); err != nil {
			return fmt.Errorf("--out %s: %w", out, err)
		}
	}
	return train.CheckNew(out)
}

// prepared is a training before its folder is made.
type prepared struct {
	source   task.Source
	model    *nn.Model
	initial  []float32 // of --init; nil until open draws them
	settings train.Settings
}

// prepare checks all that was asked for and reads the files that it needs.
func prepare(o trainOptions, set given) (*prepared, error) {
	if err := o.dataOptions.check(set); err != nil {
		return nil, err
	}
	if err := o.computeOptions.check(); err != nil {
		return nil, err
	}
	if err := oneOf("optimizer", o.Optimizer, []string{string(engine.Adam), string(engine.SGD)}); err != nil {
		return nil, err
	}
	switch {
	case o.Task == taskArrays && o.Y == "":
		return nil, usagef("--task arrays needs --y Y.npy to train on")
	case set["steps"] && set["epochs"]:
		return nil, usagef("--steps and --epochs both say how long to train: give one")
	case set["epochs"] && o.Epochs < 1:
		return nil, usagef("--epochs %d: must be at least 1", o.Epochs)
	}
	p := &prepared{}
	var err error
	if set["init"] {
		if err := p.load(&o, set); err != nil {
			return nil, err
		}
	}
	if p.source, err = o.dataOptions.open(); err != nil {
		return nil, err
	}
	if p.model == nil {
		config, err := o.modelOptions.config(p.source.Spec())
		if err != nil {
			return nil, err
		}
		config.IgnoreIndex = o.IgnoreIndex
		if p.model, err = nn.New(config); err != nil {
			return nil, usagef("%w", err)
		}
	}
	if err := p.source.Check(p.model); err != nil {
		return nil, err
	}
	return p, p.fillSettings(o, set)
}

// load takes the model of --init.
func (p *prepared) load(o *trainOptions, set given) error {
	for _, flag := range architectureFlags {
		if set[flag] {
			return usagef("--%s beside --init: the model file decides the architecture, head and loss: leave --%s out", flag, flag)
		}
	}
	var err error
	if p.model, p.initial, err = loadModel(o.Init); err != nil {
		return err
	}
	if o.Init, err = filepath.Abs(o.Init); err != nil {
		return err
	}
	o.Model = nameOf(p.model.Config)
	if !set["channels"] {
		o.Channels = p.model.Config.Input
	}
	if o.Task == taskArrays {
		o.Loss, o.IgnoreIndex = p.model.Config.Loss, p.model.Config.IgnoreIndex
	}
	return nil
}

func (p *prepared) fillSettings(o trainOptions, set given) error {
	data, err := recorded(p.source)
	if err != nil {
		return err
	}
	steps := o.Steps
	if set["epochs"] {
		perEpoch := p.source.Spec().Steps
		if o.Epochs > maxSteps/perEpoch {
			return usagef("--epochs %d: more than %d steps", o.Epochs, int64(maxSteps))
		}
		steps = o.Epochs * perEpoch
	}
	p.settings = train.Settings{
		Name: o.Model, Model: p.model.Config, Init: o.Init,
		Task: o.Task, Data: data, Batch: o.Batch, Steps: steps,
		Optimizer: engine.Optimizer(o.Optimizer), LR: o.LR, Momentum: o.Momentum, Clip: o.Clip, Seed: o.Seed,
		CheckpointEvery: o.CheckpointEvery, Device: o.Device, Threads: o.Threads,
	}
	if err := p.settings.Validate(); err != nil {
		return err
	}
	if steps < 1 || steps > maxSteps {
		return usagef("--steps %d: want 1 to %d", steps, int64(maxSteps))
	}
	return nil
}

// maxSteps bounds a run: its log would not fit any disk long before.
const maxSteps = 1 << 40

// open makes the engine with the first parameters and takes the memory of the
// largest batch. All that can be refused is refused here.
func (p *prepared) open(c computeOptions) (engine.Engine, engine.Plan, error) {
	e, err := c.open(p.model)
	if err != nil {
		return nil, nil, err
	}
	plan, err := e.Plan(p.source.Largest(), engine.Capacity{})
	if err == nil {
		if p.initial == nil {
			p.initial = p.model.Init(p.settings.Seed)
		}
		err = e.SetParameters(p.initial)
	}
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	return e, plan, nil
}

// start opens the engine and then makes the run folder, so that an error leaves
// nothing behind.
func (p *prepared) start(c computeOptions, s streams, folder func() (string, error)) (*training, error) {
	e, _, err := p.open(c)
	if err != nil {
		return nil, err
	}
	t := &training{engine: e, source: p.source, initial: p.initial, compute: c, s: s}
	dir, err := folder()
	if err == nil {
		t.run, err = train.Create(dir, train.Start{Settings: p.settings, Engine: e.Info(), DataHash: p.source.Hash(), Params: p.initial})
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	t.announce()
	return t, nil
}

// announce says what is about to happen.
func (t *training) announce() {
	settings := t.run.Settings()
	fmt.Fprintf(t.s.err, "%s on %s: %s, steps %d to %d of %s\n", settings.Name, taskText(settings),
		count(t.run.Model().Size(), "parameter"), t.run.Step()+1, settings.Steps, count(settings.Batch, "sample"))
	fmt.Fprintf(t.s.err, "%s\n", t.compute.describe(t.engine.Info()))
	fmt.Fprintf(t.s.err, "run folder: %s\n", t.run.Dir())
}

// close gives the run and the engine free. All that matters is on disk before.
func (t *training) close() {
	t.run.Close()
	t.engine.Close()
}

// resumeFlags may stand beside --resume: the run has its own settings.
var resumeFlags = []string{"resume", "steps", "checkpoint-every", "device", "threads", "blas"}

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
	var c train.Changes
	for flag, store := range map[string]func(){
		"steps":            func() { c.Steps = &o.Steps },
		"checkpoint-every": func() { c.CheckpointEvery = &o.CheckpointEvery },
		"device":           func() { c.Device = &o.Device },
		"threads":          func() { c.Threads = &o.Threads },
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
		fmt.Fprintf(s.err, "warning: %s\n", warning)
	}
	settings := run.Settings()
	if run.Step() >= settings.Steps {
		fmt.Fprintf(s.err, "%s: all %d steps are done; extend the run with a larger --steps\n", o.Resume, run.Step())
		return t.summary(s.out)
	}
	t.compute = computeOptions{Device: settings.Device, Threads: settings.Threads, BLAS: o.BLAS}
	if !set["blas"] {
		record, err := train.ReadRecord(o.Resume)
		if err != nil {
			return err
		}
		t.compute.BLAS = sameBLAS(record)
	}
	data, err := dataOfRun(settings)
	if err != nil {
		return err
	}
	if t.source, err = data.open(); err != nil {
		return err
	}
	if err := t.source.Check(run.Model()); err != nil {
		return err
	}
	if t.engine, err = t.compute.open(run.Model()); err != nil {
		return err
	}
	defer t.engine.Close()
	t.initial = firstParams(settings, run.Model())
	t.announce()
	if err := t.train(ctx); err != nil {
		return err
	}
	return t.summary(s.out)
}
