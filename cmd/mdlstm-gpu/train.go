package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/configs"
	"mdlstm-gpu/host/train"
)

// trainOptions are all that train can be told; those with a TOML name also in a
// file.
type trainOptions struct {
	dataOptions
	modelOptions
	computeOptions

	ClassWeights    string  `toml:"class-weights"`
	Steps           int64   `toml:"steps"`
	Epochs          int64   `toml:"epochs"`
	Optimizer       string  `toml:"optimizer"`
	LR              float64 `toml:"lr"`
	Schedule        string  `toml:"schedule"`
	Warmup          int64   `toml:"warmup"`
	LRStep          string  `toml:"lr-step"`
	LRGamma         float64 `toml:"lr-gamma"`
	LREnd           float64 `toml:"lr-end"`
	Accumulate      int     `toml:"accumulate"`
	Momentum        float64 `toml:"momentum"`
	Clip            float64 `toml:"clip"`
	ValidEvery      int64   `toml:"valid-every"`
	Patience        int64   `toml:"patience"`
	CheckpointEvery int64   `toml:"checkpoint-every"`
	Out             string  `toml:"out"`
	Init            string  `toml:"init"`
	TensorBoard     bool    `toml:"tensorboard"`

	Resume      string `toml:"-"`
	Config      string `toml:"-"`
	DryRun      bool   `toml:"-"`
	Distributed bool   `toml:"-"`
}

// defaultTrain is the seed's experiment.
func defaultTrain() trainOptions {
	s := train.DefaultSettings()
	return trainOptions{
		dataOptions: defaultData(), modelOptions: defaultModel(), computeOptions: defaultCompute(),
		Steps: s.Steps, Optimizer: string(s.Optimizer), LR: s.LR, CheckpointEvery: s.CheckpointEvery,
		Schedule: train.ScheduleConstant, LRGamma: 0.1, Accumulate: 1,
	}
}

func (o *trainOptions) options() []option {
	list := append(o.dataOptions.options(),
		option{name: "valid", arg: "PART", group: "Data", usage: "arrays, images, volumes: validate on a share (0.1) or number (200) of the samples, drawn by --seed and not trained on", dest: &o.Valid},
		option{name: "valid-x", arg: "X.npy", group: "Data", usage: "arrays: validate on inputs of their own, with --valid-y", dest: &o.ValidX},
		option{name: "valid-y", arg: "Y.npy", group: "Data", usage: "arrays: their targets", dest: &o.ValidY},
		option{name: "valid-sizes", arg: "S.npy", group: "Data", usage: "arrays: their sizes", dest: &o.ValidSizes},
		option{name: "shuffle", group: "Data", usage: "arrays: another order in every epoch, as the other files always have; else batches follow the file", dest: &o.Shuffle},
		option{name: "augment", group: "Data", usage: "mnist: deform, turn and scale every training image a little, in another way in every epoch", dest: &o.Augment},
		option{name: "loss", arg: "NAME", group: "Data", usage: "arrays: mse, cross_entropy or binary_cross_entropy; without it cross_entropy for integers, mse for floats", dest: &o.Loss},
		option{name: "class-weights", arg: "W,W,…", group: "Data", usage: "weight of each class in the loss, or balanced: one over its share of the training targets", dest: &o.ClassWeights},
		option{name: "ignore-index", arg: "C", group: "Data", usage: "arrays, images, volumes: class number, value in the masks, of cells that do not count", dest: &o.IgnoreIndex},
		option{name: "bucket", arg: "on|off", group: "Data", usage: "batches of samples of nearly the same size, which compute faster; without it on for images and volumes, off for arrays", dest: &o.Bucket},
	)
	list = append(list, o.folderOptions.trainOptions()...)
	list = append(list, o.modelOptions.options()...)
	list = append(list,
		option{name: "init", arg: "MODEL", group: "Model", usage: "model file to begin with: gives architecture, head, loss and parameters", dest: &o.Init},
		option{name: "steps", arg: "N", group: "Training", usage: "steps in all", dest: &o.Steps},
		option{name: "epochs", arg: "N", group: "Training", usage: "passes over the data, where it is files, instead of --steps", dest: &o.Epochs},
		option{name: "optimizer", arg: "adam|sgd", group: "Training", usage: "rule of an update", dest: &o.Optimizer},
		option{name: "lr", arg: "RATE", group: "Training", usage: "learning rate", dest: &o.LR},
		option{name: "schedule", arg: "NAME", group: "Training", usage: "how it changes: constant, step (see --lr-step) or cosine (down to --lr-end at the last step; extending the run stretches the curve)", dest: &o.Schedule},
		option{name: "warmup", arg: "N", group: "Training", usage: "steps over which it rises in a line first", dest: &o.Warmup},
		option{name: "lr-step", arg: "N|N,N,…", group: "Training", usage: "schedule step: multiply it by --lr-gamma every N steps, or at these steps", dest: &o.LRStep},
		option{name: "lr-gamma", arg: "F", group: "Training", usage: "schedule step: the factor", dest: &o.LRGamma},
		option{name: "lr-end", arg: "F", group: "Training", usage: "schedule cosine: the share of --lr that is left at the end", dest: &o.LREnd},
		option{name: "accumulate", arg: "N", group: "Training", usage: "batches of a step: the gradients of one large batch in the memory of a small one", dest: &o.Accumulate},
		option{name: "momentum", arg: "M", group: "Training", usage: "sgd only", dest: &o.Momentum},
		option{name: "clip", arg: "NORM", group: "Training", usage: "largest norm of all gradients together, 0 = no limit", dest: &o.Clip},
		option{name: "valid-every", arg: "N", group: "Training", usage: "steps between validations, 0 = once an epoch; the best model is kept in best.safetensors", dest: &o.ValidEvery},
		option{name: "patience", arg: "N", group: "Training", usage: "stop after N validations without a better one, 0 = never", dest: &o.Patience},
		option{name: "out", arg: "RUN", group: "Run", usage: "new folder of the run; without it runs/MODEL-DATE-TIME", dest: &o.Out},
		option{name: "resume", arg: "RUN", group: "Run", usage: "continue a run with its own settings; beside it only --steps (more), --patience, --checkpoint-every, --tensorboard and those of the machine", dest: &o.Resume},
		option{name: "checkpoint-every", arg: "N", group: "Run", usage: "steps between checkpoints, 0 = only at the end", dest: &o.CheckpointEvery},
		option{name: "tensorboard", group: "Run", usage: "write losses, validations, learning rate and predictions also for TensorBoard, into RUN/tensorboard; beside --resume with the steps so far", dest: &o.TensorBoard},
		option{name: "config", arg: "FILE.toml", group: "Run", usage: "flags from a file: lines such as lr = 0.01, and a stack as tables [[layers]]; flags on the command line win; ready ones: " + strings.Join(configs.Names(), ", "), dest: &o.Config},
		option{name: "dry-run", group: "Run", usage: "say parameters, memory and time of a step, and write nothing", dest: &o.DryRun},
	)
	return append(append(list, o.computeOptions.options()...), o.recomputeOption(),
		option{name: "distributed", group: "Machine", usage: "train on all ranks of an MPI job: each computes its share of every batch", dest: &o.Distributed})
}

func trainCommand(s streams) *cli.Command {
	o := defaultTrain()
	options := o.options()
	return command(spec{
		name: "train", brief: "train a model",
		about: `Trains a model and leaves a folder with its log, checkpoints, model file,
curves, pictures and report.html. Without flags it is the seed's experiment: MD_LSTM on the random
diagonal task.

Ctrl-C, SIGTERM and a closed terminal finish the step, write a checkpoint and exit 130; --resume
continues to the same bits as a run that was not stopped. A finished run resumed exits 0.

Under mpirun, --distributed divides every batch among the ranks, which then train one run; a
signal to any of them ends all in order (docs/distributed.md).`,
		examples: []string{
			"train",
			"train --model SNAKE_SD_LSTM --seed 3",
			"train --task fields --size 32x32 --cell stable --directions all",
			"train --x X.npy --y Y.npy --epochs 20 --out runs/mine",
			`train --x X.npy --y labels.npy --layers "mdlstm:stable:8:all sum"`,
			"train --config graves2007-mnist --data mnist",
			"train --images photos --masks labels --channels 3 --valid 0.1",
			"train --resume runs/mine --steps 5000",
			"train --size 128x128 --dry-run",
			"train --distributed --out runs/mine   # under mpirun -n 4",
		},
	}, options, func(ctx *cli.Context, set given) error {
		if o.Config != "" {
			// What the command line sets wins: it is stored again, over the file's.
			fromFile, text, err := readConfig(o.Config, &o, options)
			if err != nil {
				return err
			}
			o.configPath, o.configData = o.Config, text
			if set, err = assign(ctx, options); err != nil {
				return err
			}
			for flag, other := range map[string]string{"steps": "epochs", "epochs": "steps"} {
				if set[flag] {
					delete(fromFile, other)
				}
			}
			// So does the kind of data: a ready configuration of arrays takes folders.
			if set["x"] || set["images"] || set["volumes"] {
				delete(fromFile, "task")
			}
			maps.Copy(set, fromFile)
		}
		return runTrain(ctx.Context, o, set, s)
	})
}

// runTrain trains a new run, or continues one.
func runTrain(ctx context.Context, o trainOptions, set given, s streams) error {
	run := trainNew
	if set["resume"] {
		run = runResume
	}
	if !o.Distributed {
		alone(s)
		return run(ctx, o, set, s)
	}
	if o.DryRun {
		return usagef("--dry-run beside --distributed: leave one out")
	}
	return distributed(&o.computeOptions, s, func(s streams) error { return run(ctx, o, set, s) })
}

// trainNew trains a new run.
func trainNew(ctx context.Context, o trainOptions, set given, s streams) error {
	p, computer, err := o.ready(set, s)
	if err := o.agree(err); err != nil {
		return err
	}
	if err := o.sameTask(p.settings, p.data.Hash()); err != nil {
		return err
	}
	if o.DryRun {
		return runDryRun(ctx, p, computer, s)
	}
	made := ""
	t, err := p.start(computer, s, func() (dir string, err error) {
		if o.Out != "" {
			return o.Out, nil
		}
		made, err = train.DefaultFolder(p.settings.Name, time.Now())
		return made, err
	})
	if err != nil {
		if made != "" {
			os.Remove(made) // it is empty: an error leaves nothing behind
		}
		return err
	}
	defer t.close()
	if err := t.train(ctx); err != nil {
		return err
	}
	return t.summary(s.out)
}

// ready checks all that was asked for before any work.
func (o *trainOptions) ready(set given, s streams) (*prepared, computer, error) {
	o.say = s.err
	p, err := prepare(*o, set)
	if err != nil {
		return nil, computer{}, err
	}
	sayFolderNotes(s.err, p.data.Train, p.data.Valid)
	for _, warning := range p.model.Config.GrowthWarnings() {
		s.note("warning: %s\n", warning)
	}
	if err := o.checkBatch(o.Batch); err != nil {
		return nil, computer{}, err
	}
	if set["out"] && !o.DryRun && o.first() {
		if err := checkNewFolder(o.Out); err != nil {
			return nil, computer{}, err
		}
	}
	c, err := o.computeOptions.find(s)
	return p, c, err
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
