package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/nn/tensorfile"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// prepared is a training before its folder is made.
type prepared struct {
	data     task.Split
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
	if p.data, err = o.dataOptions.open(); err != nil {
		return nil, err
	}
	if p.model == nil {
		if p.model, err = o.newModel(p.data, set); err != nil {
			return nil, err
		}
	}
	if err := p.data.Check(p.model); err != nil {
		return nil, err
	}
	return p, p.fillSettings(o, set)
}

// newModel makes the model that the flags and the data describe.
func (o *trainOptions) newModel(data task.Split, set given) (*nn.Model, error) {
	if set["layers"] {
		for _, flag := range oneLayerFlags {
			if set[flag] {
				return nil, usagef("--%s is of a model of one layer, and the stack has its own: leave --%s out", flag, flag)
			}
		}
	}
	config, err := o.modelOptions.config(data.Train.Spec())
	if err != nil {
		return nil, err
	}
	config.IgnoreIndex = data.Train.Spec().IgnoreIndex
	if o.ClassWeights != "" {
		if config.ClassWeights, err = o.classWeights(config, data); err != nil {
			return nil, err
		}
	}
	m, err := nn.New(config)
	if err != nil {
		return nil, usagef("%w", err)
	}
	return m, nil
}

// load takes the model of --init.
func (p *prepared) load(o *trainOptions, set given) error {
	for _, flag := range architectureFlags {
		if set[flag] && !(flag == "ignore-index" && ofFolders(o.Task)) { // there it is a value in the masks
			return usagef("--%s beside --init: the model file decides the architecture, head and loss: leave --%s out", flag, flag)
		}
	}
	var err error
	if p.model, p.initial, err = loadModel(o.Init); err != nil {
		if isJSON(o.Init) {
			return fmt.Errorf("--init %s: it is JSON: --init takes a %s, such as a training leaves in its run folder", o.Init, modelFile)
		}
		return err
	}
	if info, err := os.Stat(o.Init); err == nil && info.IsDir() {
		o.Init = modelIn(o.Init)
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
	if ofFolders(o.Task) && !set["ignore-index"] {
		o.IgnoreIndex = p.model.Config.IgnoreIndex
	}
	return nil
}

// isJSON says whether a file begins as a JSON object does. A model file begins
// with the length of its header, whose first byte may be a brace too; so this is
// for files that could not be read.
func isJSON(path string) bool {
	f, _, err := tensorfile.OpenRegular(path)
	if err != nil {
		return false
	}
	defer f.Close()
	start := make([]byte, 64)
	n, _ := io.ReadFull(f, start)
	return strings.HasPrefix(strings.TrimSpace(string(start[:n])), "{")
}

func (p *prepared) fillSettings(o trainOptions, set given) error {
	data, err := recorded(p.data)
	if err != nil {
		return err
	}
	steps := o.Steps
	if set["epochs"] {
		perEpoch, batches := p.data.Train.Spec().Steps, int64(max(1, o.Accumulate))
		switch {
		case perEpoch == 0:
			return usagef("--epochs goes with data that end, the task %s invents its samples: give --steps", o.Task)
		case o.Epochs > maxSteps/perEpoch:
			return usagef("--epochs %d: more than %d steps", o.Epochs, int64(maxSteps))
		}
		steps = (o.Epochs*perEpoch-1)/batches + 1
	}
	schedule, err := o.schedule(set)
	if err != nil {
		return err
	}
	p.settings = train.Settings{
		Name: o.Model, Model: p.model.Config, Init: o.Init,
		Task: o.Task, Data: data, Batch: o.Batch, Steps: steps,
		Optimizer: engine.Optimizer(o.Optimizer), LR: o.LR, Schedule: schedule, Momentum: o.Momentum, Clip: o.Clip, Seed: o.Seed,
		Accumulate: o.Accumulate, ValidEvery: o.ValidEvery, Patience: o.Patience,
		CheckpointEvery: o.CheckpointEvery, TensorBoard: o.TensorBoard, Device: o.Device, Threads: o.Threads, Recompute: o.Recompute,
		Precision: o.recordedPrecision(),
	}
	for _, flag := range []string{"valid-every", "patience"} {
		if set[flag] && p.data.Valid == nil {
			return usagef("--%s needs data to validate on: give --valid or --valid-x with --task arrays, or a task that has a part for it", flag)
		}
	}
	if o.Accumulate == 1 {
		p.settings.Accumulate = 0
	} else if o.Accumulate < 1 {
		return usagef("--accumulate %d: must be at least 1 batch", o.Accumulate)
	}
	if err := p.settings.Validate(); err != nil {
		return err
	}
	if steps < 1 || steps > maxSteps {
		return usagef("--steps %d: want 1 to %d", steps, int64(maxSteps))
	}
	return nil
}

// schedule is that of the learning rate. A flag that does not belong to it stays,
// so that it is refused.
func (o trainOptions) schedule(set given) (train.Schedule, error) {
	if err := oneOf("schedule", o.Schedule, train.Schedules); err != nil {
		return train.Schedule{}, err
	}
	c := train.Schedule{Kind: o.Schedule, Warmup: o.Warmup, End: o.LREnd}
	if c.Kind == train.ScheduleConstant {
		c.Kind = ""
	}
	if c.Kind == train.ScheduleStep || set["lr-gamma"] {
		c.Gamma = o.LRGamma
	}
	var err error
	if set["lr-step"] {
		c.Every, c.At, err = train.ParseLRStep(o.LRStep)
	}
	return c, err
}

// maxSteps bounds a run: its log would not fit any disk long before.
const maxSteps = 1 << 40

// trainingBytes is what a training keeps of each parameter, all float32: the CPU
// engine 6 values (itself, its gradient, two moments, two packed copies), the
// newest checkpoint and the one being written 3 each, the best parameters and
// better ones, and the first parameters for the report.
const trainingBytes = 4 * (6 + 2*3 + 2 + 1)

// open makes the engine with the first parameters and takes the memory of the
// largest batch. All that can be refused is refused here.
func (p *prepared) open(c computer) (engine.Engine, engine.Plan, error) {
	if err := machine.Fits(trainingBytes * int64(p.model.Size())); err != nil {
		return nil, nil, fmt.Errorf("training a model of %d parameters: %w: use fewer hidden units", p.model.Size(), err)
	}
	e, err := c.open(p.model)
	if err != nil {
		return nil, nil, err
	}
	var plan engine.Plan
	share, err := c.share(p.data.Train)
	if err == nil {
		plan, err = e.Plan(share.Largest(), engine.Capacity{})
	}
	if err == nil && p.data.Valid != nil {
		if _, err = e.Plan(p.data.Valid.Largest(), engine.Capacity{Predict: true}); err != nil {
			err = fmt.Errorf("validation: %w", err)
		}
	}
	if err == nil {
		if p.initial == nil {
			p.initial = p.model.Init(p.settings.Seed)
		}
		err = e.SetParameters(p.initial)
	}
	if err != nil {
		e.Close() // a lost device says the same again
		return nil, nil, err
	}
	return e, plan, nil
}

// start opens the engine and then makes the run folder, so that an error leaves
// nothing behind.
func (p *prepared) start(c computer, s streams, folder func() (string, error)) (*training, error) {
	e, _, err := p.open(c)
	if err := c.asked.agree(err); err != nil {
		if e != nil {
			e.Close()
		}
		return nil, err
	}
	t := &training{engine: e, data: p.data, initial: p.initial, compute: c, s: s}
	var run *train.Run
	if c.asked.first() {
		run, err = p.create(e, c.asked.ranks.Size(), folder)
	}
	if t.run, err = train.Join(c.asked.ranks, run, err); err != nil {
		e.Close() // err says more than a second one would
		return nil, err
	}
	t.announce()
	return t, nil
}

// create makes the run folder.
func (p *prepared) create(e engine.Engine, ranks int, folder func() (string, error)) (*train.Run, error) {
	dir, err := folder()
	if err != nil {
		return nil, err
	}
	return train.Create(dir, train.Start{Settings: p.settings, Engine: train.WithRanks(e.Info(), ranks), DataHash: p.data.Hash(),
		Validates: p.data.Valid != nil, Params: p.initial})
}

// share is what this rank takes of the training data.
func (m computer) share(data task.Source) (task.Source, error) {
	return task.Share(data, m.asked.ranks.Rank(), m.asked.ranks.Size())
}
