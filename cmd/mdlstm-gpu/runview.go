package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// Files of a run folder that are read here; package train writes them.
const (
	logFile    = "log.tsv"
	validFile  = "valid.tsv"
	modelFile  = "model.safetensors"
	bestFile   = "best.safetensors"
	reportFile = "report.html"
)

// runView is a run as a report shows it.
type runView struct {
	dir      string
	settings train.Settings
	engine   engine.Info
	threads  int // 0 = not known
	log      report.Columns
	valid    report.ValidColumns
	model    *nn.Model
	params   []float32
	initial  []float32 // nil when they are not known
	step     int64     // after which params were taken
	longer   string    // flags that make a finished run longer; "" for one that is not finished
	waited   float64   // seconds that all steps waited for data; 0 = not known
	wall     float64
	warning  string
}

// readRun reads a run folder, finished or not, without locking it.
func readRun(dir string) (runView, error) {
	record, err := train.ReadRecord(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return runView{}, fmt.Errorf("%s: %w: want the folder of a run, such as --out made it", dir, err)
	}
	if err != nil {
		return runView{}, err
	}
	v := runView{dir: dir, settings: record.Settings, engine: engine.Info{
		Engine: record.Engine.Engine, Device: record.Engine.Device, Settings: record.Engine.Settings,
	}}
	if v.log, err = readLog(dir); err != nil {
		return v, err
	}
	if v.model, v.params, err = nn.LoadModel(modelIn(dir)); err != nil {
		return v, err
	}
	if v.valid, err = readValid(dir); err != nil {
		return v, err
	}
	v.step = int64(v.log.Len())
	best, stale := train.Best(v.valid)
	if v.longer = longerFlags(v.settings, v.step, v.settings.Patience > 0 && stale >= v.settings.Patience); v.longer == "" {
		v.warning = fmt.Sprintf("not finished: %d of %d steps are done", v.step, v.settings.Steps)
	}
	if best >= 0 {
		v.step = v.valid.Steps[best]
	}
	v.initial = firstParams(v.settings, v.model)
	return v, nil
}

// firstParams are the parameters that a run began with; nil when the file that
// they came from is gone.
func firstParams(s train.Settings, m *nn.Model) []float32 {
	if s.Init == "" {
		return m.Init(s.Seed)
	}
	_, params, err := loadModel(s.Init)
	if err != nil || len(params) != m.Size() {
		return nil
	}
	return params
}

func readLog(dir string) (report.Columns, error) {
	return report.ReadLog(filepath.Join(dir, logFile))
}

// readValid reads the validations of a run; one without has none.
func readValid(dir string) (report.ValidColumns, error) {
	c, err := report.ReadValidLog(filepath.Join(dir, validFile))
	if errors.Is(err, fs.ErrNotExist) {
		return report.ValidColumns{}, nil
	}
	return c, err
}

// report predicts the data's example before and after training, measures what
// validates it, and fills in the page.
func (v runView) report(ctx context.Context, c computer, e engine.Engine, data task.Split) (report.Run, error) {
	r := v.page()
	var err error
	if v.initial != nil {
		if r.Before, err = picture(e, data.Train, v.initial, 0); err != nil {
			return r, err
		}
	}
	if r.After, err = picture(e, data.Train, v.params, v.step); err != nil {
		return r, err
	}
	if err := exhibit(ctx, &r, e, data); err != nil {
		return r, err
	}
	r.Activity, err = activity(c, data.Train, v.model, v.params, v.step)
	return r, err
}

// page is the report without pictures.
func (v runView) page() report.Run {
	best := int64(-1)
	if i, _ := train.Best(v.valid); i >= 0 {
		best = v.valid.Steps[i]
	}
	return report.Run{
		Valid: v.valid, BestStep: best,
		Name: filepath.Base(v.dir), Model: v.settings.Name, Task: taskText(v.settings), Warning: v.warning,
		Parameters: int64(v.model.Size()), Log: v.log, WaitSeconds: v.waited, WallSeconds: v.wall,
		Settings: settingsTable(v.settings), Machine: machineTable(v.engine, v.threads),
		Commands: nextCommands(v.dir, v.settings, v.longer),
	}
}

// picture predicts the example with some parameters.
func picture(e engine.Engine, src task.Source, params []float32, step int64) (*report.Picture, error) {
	var batch engine.Batch
	if err := src.Example(&batch); err != nil {
		return nil, err
	}
	if err := e.SetParameters(params); err != nil {
		return nil, err
	}
	return pictureOf(e, src.Spec(), &batch, step)
}

// pictureOf predicts an example with the engine's parameters.
func pictureOf(e engine.Engine, spec task.Spec, batch *engine.Batch, step int64) (*report.Picture, error) {
	prediction, _, err := train.Predict(e, batch)
	if err != nil {
		return nil, err
	}
	shape, err := e.Model().OutputShape(batch.Samples[0])
	if err != nil {
		return nil, err
	}
	if len(shape) == 0 { // all axes were summed: one cell
		shape = []int{1}
	}
	what := "a sample that no step sees"
	if spec.Samples > 0 {
		what = "the first sample"
	}
	return &report.Picture{
		Title: fmt.Sprintf("%s, after %s", what, count(step, "step")),
		Shape: shape, Units: e.Model().Units(),
		Prediction: prediction, Truth: batch.Y, Class: batch.Class,
		Ignore: e.Model().Config.IgnoreIndex, Background: spec.Background, Relevant: batch.Relevant,
	}, nil
}

// taskText is the task in a few words: "diagonal 8x8".
func taskText(s train.Settings) string {
	switch {
	case s.Data["size"] != "":
		return s.Task + " " + s.Data["size"]
	case s.Data["x"] != "":
		return s.Task + " " + filepath.Base(s.Data["x"])
	}
	if ofFolders(s.Task) {
		return folderText(s)
	}
	return s.Task
}

// settingsTable lists what decides a run.
func settingsTable(s train.Settings) []report.KV {
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	table := []report.KV{{Key: "Task", Value: s.Task}}
	for _, key := range []string{"size", "channels", "anisotropic", "x", "y", "sizes", "shuffle", "data", "split", "augment",
		"images", "volumes", "masks", "classes", "ignore-index", "valid", "valid-images", "valid-volumes", "valid-masks", "flip", "crop", "bucket", "skip-bad"} {
		if value := s.Data[key]; value != "" && value != "false" {
			table = append(table, report.KV{Key: upper(key), Value: value})
		}
	}
	table = append(table,
		report.KV{Key: "Steps", Value: strconv.FormatInt(s.Steps, 10)},
		report.KV{Key: "Batch", Value: strconv.Itoa(s.Batch)},
		report.KV{Key: "Seed", Value: strconv.FormatUint(s.Seed, 10)},
		report.KV{Key: "View", Value: s.Model.View})
	for i, l := range s.Model.Layers {
		table = append(table, report.KV{Key: fmt.Sprintf("Layer %d", i), Value: layerText(l)})
	}
	table = append(table,
		report.KV{Key: "Head", Value: fmt.Sprintf("%s, %s", count(s.Model.Head.Units, "unit"), s.Model.Head.Activation)},
		report.KV{Key: "Loss", Value: lossText(s.Model)},
		report.KV{Key: "Optimizer", Value: string(s.Optimizer)},
		report.KV{Key: "Learning rate", Value: number(s.LR)})
	if s.Schedule.Kind != "" || s.Schedule.Warmup != 0 {
		table = append(table, report.KV{Key: "Schedule", Value: s.Schedule.String()})
	}
	if s.Accumulate > 1 {
		table = append(table, report.KV{Key: "Batches a step", Value: strconv.Itoa(s.Accumulate)})
	}
	if s.Momentum != 0 {
		table = append(table, report.KV{Key: "Momentum", Value: number(s.Momentum)})
	}
	if s.Clip != 0 {
		table = append(table, report.KV{Key: "Clip", Value: number(s.Clip)})
	}
	if s.ValidEvery != 0 {
		table = append(table, report.KV{Key: "Validation every", Value: count(s.ValidEvery, "step")})
	}
	if s.Patience != 0 {
		table = append(table, report.KV{Key: "Patience", Value: count(s.Patience, "validation")})
	}
	if s.Init != "" {
		table = append(table, report.KV{Key: "First parameters", Value: s.Init})
	}
	return table
}

// lossText is a loss with what does not count in it.
func lossText(c nn.Config) string {
	text := c.Loss
	if c.IgnoreIndex != nil {
		text += fmt.Sprintf(", class %d does not count", *c.IgnoreIndex)
	}
	if c.ClassWeights != nil {
		text += fmt.Sprintf(", class weights %.4g", c.ClassWeights)
	}
	return text
}

// layerText is a layer in a line.
func layerText(l nn.Layer) string {
	switch l.Type {
	case nn.TypeMDLSTM:
		text := fmt.Sprintf("%s, %d hidden, directions %s", l.Cell, l.Hidden, strings.Join(l.Directions, " "))
		if l.ForgetBias != 0 {
			text += fmt.Sprintf(", forget bias %v", l.ForgetBias)
		}
		if l.ClipError != nil && *l.ClipError != 0 {
			text += fmt.Sprintf(", errors clipped to %v", *l.ClipError)
		}
		if l.Combine != "" && l.Combine != nn.CombineConcat {
			text += ", their " + l.Combine
		}
		if l.Dropout != 0 {
			text += fmt.Sprintf(", dropout %v", l.Dropout)
		}
		return text + windowText(l)
	case nn.TypeDense:
		return fmt.Sprintf("dense, %s, %s%s", count(l.Units, "unit"), l.Activation, windowText(l))
	}
	return fmt.Sprintf("sum over axis %d", *l.Axis)
}

func windowText(l nn.Layer) string {
	if l.Window == nil {
		return ""
	}
	return fmt.Sprintf(", window %v", l.Window)
}

// machineTable says what computed.
func machineTable(i engine.Info, threads int) []report.KV {
	table := []report.KV{{Key: "Engine", Value: i.Engine}, {Key: "Device", Value: i.Device}}
	for _, key := range slices.Sorted(maps.Keys(i.Settings)) {
		table = append(table, report.KV{Key: upper(key), Value: i.Settings[key]})
	}
	if threads > 0 {
		table = append(table, report.KV{Key: "Threads", Value: strconv.Itoa(threads)})
	}
	return append(table, report.KV{Key: "System", Value: runtime.GOOS + "/" + runtime.GOARCH}, report.KV{Key: "Go", Value: runtime.Version()})
}

// longerFlags are those beside --resume that make a finished run longer, "" for
// one that has steps left.
func longerFlags(s train.Settings, done int64, stoppedEarly bool) string {
	switch {
	case stoppedEarly && done < s.Steps:
		return fmt.Sprintf("--patience %d", 2*s.Patience)
	case done >= s.Steps:
		return fmt.Sprintf("--steps %d", 2*s.Steps)
	}
	return ""
}

// nextCommands continue or use a run; longer are its longerFlags.
func nextCommands(dir string, s train.Settings, longer string) []report.Command {
	model := quote(modelIn(dir))
	sizes := ""
	if s.Data["sizes"] != "" {
		sizes = " --sizes S.npy"
	}
	measure := report.Command{What: "Measure the model on samples that it was not trained on", Line: fmt.Sprintf("%s eval --model %s --task %s --size %s", program, model, quote(s.Task), quote(s.Data["size"]))}
	if channels := s.Data["channels"]; channels != "" && channels != "1" {
		measure.Line += " --channels " + quote(channels)
	}
	if s.Data["anisotropic"] == "true" {
		measure.Line += " --anisotropic"
	}
	if s.Task == taskArrays {
		measure = report.Command{What: "Measure the model on other samples", Line: fmt.Sprintf("%s eval --model %s --x X.npy --y Y.npy%s", program, model, sizes)}
	}
	if s.Task == taskMNIST {
		measure.Line = fmt.Sprintf("%s eval --model %s", program, quote(dir))
	}
	extend := report.Command{What: "Train it longer", Line: fmt.Sprintf("%s train --resume %s %s", program, quote(dir), longer)}
	if longer == "" {
		extend = report.Command{What: "Continue the training", Line: fmt.Sprintf("%s train --resume %s", program, quote(dir))}
	}
	use := report.Command{What: "Use the model", Line: fmt.Sprintf("%s predict --model %s --in X.npy%s --out Y.npy", program, model, sizes)}
	if ofFolders(s.Task) {
		measure, use = folderCommands(dir, s)
	}
	return []report.Command{
		measure,
		use,
		extend,
	}
}
