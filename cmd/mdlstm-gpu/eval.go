package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

type evalOptions struct {
	dataOptions
	computeOptions
	modelPath string
	steps     int64
	part      string
	warp      bool
	out       string

	ownFolders bool // what is measured are the images or volumes of the run
}

// The parts of a split.
const (
	partTrain = "train"
	partValid = "valid"
	partTest  = "test"
)

func evalCommand(s streams) *cli.Command {
	o := evalOptions{dataOptions: defaultData(), computeOptions: defaultCompute(), steps: 100, part: partTest}
	options := append([]option{
		{name: "model", arg: "MODEL", usage: "model file, or the folder of a run (its best model where it was validated, else the newest)", dest: &o.modelPath},
		{name: "steps", arg: "N", usage: "batches of a generated task; files are measured once, as a whole", dest: &o.steps},
	}, o.dataOptions.options()...)
	options = append(options,
		option{name: "part", arg: "train|valid|test", group: "Data", usage: "the part of a run's own data to measure on: mnist, images, volumes (not test)", dest: &o.part},
		option{name: "warp", group: "Data", usage: "mnist: deform every image elastically, always in the same way", dest: &o.warp},
	)
	options = append(options, option{name: "out", arg: "DIR", usage: "new folder for sheet.png, samples with their answers, and for classes confusion.png: of labels where samples have them, then also cell_confusion.png", dest: &o.out})
	options = append(options, o.computeOptions.options()...)
	return command(spec{
		name: "eval", brief: "measure a model's losses",
		about: `Measures a model, without dropout and without changing it. Losses are means over all cells that
count; accuracy is the share of these whose largest output is their class. Generated samples are ones that no training sees.
iou of a class is, of all cells that have it or are answered with it, the share where both is so; mean_iou is their mean over
the classes that occur.

For mnist, pixel_error is the share of pixels whose class, digit or background, is not the one of the largest output,
image_error that of images whose digit is not the one with the largest sum of outputs. A run's folder gives the data,
the split and the seed of its training. So it does for images and volumes, whose valid part is measured; with --images or
--volumes and --masks it says which values are which classes.`,
		examples: []string{
			"eval --model runs/mine --task diagonal --size 8x8",
			"eval --model runs/mine --x X.npy --y Y.npy",
			"eval --model runs/digits --warp --out digits-warped",
			"eval --model runs/roads --images photos --masks labels",
		},
	}, options, func(ctx *cli.Context, set given) error { return runEval(ctx.Context, o, set, s) })
}

// runEval prints a line for each loss.
func runEval(ctx context.Context, o evalOptions, set given, s streams) error {
	if !set["model"] {
		return usagef("--model is missing")
	}
	record, known := recordBeside(o.modelPath)
	asked := set["task"] || set["x"] || set["size"] || set["images"] || set["volumes"]
	ofRun := known && (record.Settings.Task == taskMNIST || ofFolders(record.Settings.Task)) &&
		(!asked || set[record.Settings.Task] || set["task"] && o.Task == record.Settings.Task)
	if ofRun {
		if err := o.fillFrom(record.Settings, set); err != nil {
			return err
		}
	}
	if err := o.dataOptions.check(set); err != nil {
		return err
	}
	if err := o.computeOptions.check(); err != nil {
		return err
	}
	if set["out"] {
		if err := checkNewFolder(o.out); err != nil {
			return err
		}
	}
	switch {
	case o.Task == taskArrays && o.Y == "":
		return usagef("--task arrays needs --y Y.npy to compare with")
	case ofFiles(o.Task) && set["steps"]:
		return usagef("--steps goes with a generated task: %s are measured as a whole", o.Task)
	case o.steps < 1 || o.steps > maxSteps:
		return usagef("--steps %d: want 1 to %d", o.steps, int64(maxSteps))
	case known && record.Settings.Task == taskArrays && !asked:
		return usagef("--model %s: it was trained on arrays: give --x and --y to measure it on, or a --task", o.modelPath)
	}
	if ofFolders(o.Task) && set["part"] && !o.ownFolders {
		return usagef("--part goes with a run's own data: leave out --part, or --%s and --masks", o.Task)
	}
	if err := oneOf("part", o.part, []string{partTrain, partValid, partTest}); err != nil {
		return err
	}
	m, params, err := loadModel(o.modelPath)
	if err != nil {
		return err
	}
	if !set["channels"] {
		o.Channels = m.Config.Input
	}
	if !ofRun {
		o.IgnoreIndex = m.Config.IgnoreIndex
		if ofFolders(o.Task) && o.Classes == "" {
			o.Classes = strconv.Itoa(m.Units())
		}
	}
	if o.Task == taskArrays {
		o.Loss = m.Config.Loss
	}
	o.say = s.err
	src, err := o.open()
	if err != nil {
		return err
	}
	sayFolderNotes(s.err, src)
	if ofRun && (o.ownFolders && o.ValidMasks == "" || o.Task == taskMNIST) && src.Hash() != record.DataSHA256 {
		s.note("warning: %s: not the data of the run's training: the %s part may hold samples that it was trained on\n", cmp.Or(o.Data, o.Images, o.Volumes), o.part)
	}
	if err := src.Check(m); err != nil {
		if !asked && !ofRun {
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
	if src.Spec().Samples > 0 {
		first, n = 0, src.Spec().Steps
	}
	g := &gallery{model: m, spec: src.Spec()}
	var see func(train.Answer)
	if set["out"] {
		see = g.see
	}
	score, err := train.EvaluateEach(ctx, e, src, first, n, see)
	if err != nil {
		return err
	}
	if score.Loss.Weight == 0 { // ignored cells were refused before
		return fmt.Errorf("%s: no target counts: the model gives the weight 0 to each class that occurs: measure it on data with other classes", o.what())
	}
	var pictures []string
	if set["out"] {
		if pictures, err = g.write(o.out, score, o.what()); err != nil {
			return err
		}
	}
	if err := o.print(s.out, src, m, score, n); err != nil || pictures == nil {
		return err
	}
	w := &printer{w: s.out}
	w.line("pictures       %s: %s", o.out, strings.Join(pictures, ", "))
	return w.err
}

// fillFrom takes from a run's settings the data that the user did not name.
func (o *evalOptions) fillFrom(s train.Settings, set given) error {
	run, err := dataOfRun(s)
	if err != nil {
		return err
	}
	d := &o.dataOptions
	d.Task = run.Task
	if ofFolders(run.Task) {
		if o.ownFolders = d.fillFolders(run, set); o.ownFolders && !set["part"] {
			o.part = partValid
		}
		return nil
	}
	if !set["data"] {
		d.Data = run.Data
	}
	if !set["split"] {
		d.Split = run.Split
	}
	if !set["seed"] {
		d.Seed = run.Seed
	}
	return nil
}

// open makes the source to measure on.
func (o evalOptions) open() (task.Source, error) {
	split, err := o.dataOptions.open()
	switch {
	case err != nil:
		return nil, err
	case ofFolders(o.Task):
		return o.measuredFolder(split)
	case o.Task != taskMNIST:
		return split.Train, nil
	}
	src := map[string]task.Source{partTrain: split.Train, partValid: split.Valid, partTest: split.Test}[o.part]
	digits, ok := src.(*task.MNIST)
	if !ok {
		return nil, usagef("--part %s: the split %s leaves it without images", o.part, split.Train.Settings()["split"])
	}
	return digits.Measured(o.warp), nil
}

// what names the samples that are measured.
func (o evalOptions) what() string {
	if o.Task != taskMNIST {
		return o.Task
	}
	text := o.Task + ", " + o.part
	if o.warp {
		text += ", warped"
	}
	return text
}

// print writes a line for each figure: its name, its value, and for people what
// it was counted from.
func (o evalOptions) print(w io.Writer, src task.Source, m *nn.Model, score train.Score, batches int64) error {
	loss := score.Loss
	out := &printer{w: w}
	if o.Task == taskMNIST {
		warped := ""
		if o.warp {
			warped = ", warped"
		}
		out.line("part           %s, %s%s", o.part, count(src.Spec().Samples, "image"), warped)
	}
	if o.ownFolders {
		out.line("part           %s, %s", o.part, count(src.Spec().Samples, "sample"))
	}
	out.line("loss           %s", m.Config.Loss)
	out.line("overall_loss   %.6g", loss.Sum/loss.Weight)
	switch {
	case o.Task == taskMNIST:
		out.errors("pixel_error", score.CellError(), score.Cells)
		out.errors("image_error", score.LabelError(), score.Labels)
	case score.Cells != nil:
		out.line("accuracy       %.6g", 1-score.CellError())
		out.errors("cell_error", score.CellError(), score.Cells)
		out.line("mean_iou       %.6g", score.MeanIoU())
	}
	if folder, ok := src.(*task.Folder); ok {
		for i, class := range folder.Classes() {
			out.line("%-14s %.6g", "iou "+class.Name, score.IoU(i))
		}
	}
	if loss.RelevantCount > 0 {
		out.line("relevant_loss  %.6g", loss.Relevant/loss.RelevantCount)
	}
	out.line("batches        %d", batches)
	out.line("weight         %.6g", loss.Weight)
	return out.err
}

// errors writes an error rate and how many of the counts it is.
func (p *printer) errors(name string, rate float64, counts [][]int64) {
	var wrong, all int64
	for class, row := range counts {
		for answer, n := range row {
			all += n
			if answer != class {
				wrong += n
			}
		}
	}
	p.line("%-14s %.6g  (%d of %d)", name, rate, wrong, all)
}

// recordBeside is the record of the run whose folder is, or holds, a model.
func recordBeside(path string) (train.Record, bool) {
	dir := path
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		dir = filepath.Dir(path)
	}
	record, err := train.ReadRecord(dir)
	return record, err == nil
}
