package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
)

// The seed's models: a view of the grid each.
const (
	modelMD         = "MD_LSTM"
	modelHorizontal = "HORIZONTAL_SD_LSTM"
	modelSnake      = "SNAKE_SD_LSTM"
)

var models = []string{modelMD, modelHorizontal, modelSnake}

// modelOptions are the architecture.
type modelOptions struct {
	Model      string   `toml:"model"`
	Cell       string   `toml:"cell"`
	Hidden     int      `toml:"hidden"`
	Directions string   `toml:"directions"`
	ForgetBias *float64 `toml:"forget-bias"`
	ClipError  *float64 `toml:"clip-error"`
}

func defaultModel() modelOptions {
	return modelOptions{Model: modelMD, Hidden: 16, Directions: "1"}
}

// architectureFlags decide the model, so a model from a file excludes them.
var architectureFlags = []string{"model", "cell", "hidden", "directions", "forget-bias", "clip-error", "loss", "ignore-index"}

func (m *modelOptions) options() []option {
	return append([]option{
		{name: "model", aliases: []string{"model_type"}, arg: "NAME", group: "Model",
			usage: "MD_LSTM (the whole grid), or the seed's 1-D models HORIZONTAL_SD_LSTM (every row a sequence) and SNAKE_SD_LSTM (all cells, row after row)", dest: &m.Model},
	}, m.layerOptions()...)
}

// layerOptions are those of the one recurrent layer.
func (m *modelOptions) layerOptions() []option {
	return []option{
		{name: "cell", arg: "NAME", group: "Model", usage: strings.Join(nn.Cells, ", ") + "; without it layernorm for MD_LSTM, plain for the others", dest: &m.Cell},
		{name: "hidden", arg: "N", group: "Model", usage: "units of a cell in each direction", dest: &m.Hidden},
		{name: "directions", arg: "LIST", group: "Model", usage: "1 (from the first corner), all (from every corner), or signs of each axis such as ++,--", dest: &m.Directions},
		{name: "forget-bias", arg: "B", group: "Model", usage: "added to the forget gates; without it 0 for MD_LSTM, 1 for the others", dest: &m.ForgetBias},
		{name: "clip-error", arg: "E", group: "Model", usage: "bound of the error that arrives at a cell, 0 = none; without it 1 for layernorm, none for the other cells", dest: &m.ClipError},
	}
}

// config is the model for a task: one recurrent layer and the task's head.
func (m modelOptions) config(s task.Spec) (nn.Config, error) {
	view, ok := map[string]string{modelMD: nn.ViewGrid, modelHorizontal: nn.ViewRows, modelSnake: nn.ViewSnake}[m.Model]
	if !ok {
		return nn.Config{}, oneOf("model", m.Model, models)
	}
	layer := nn.Layer{Type: nn.TypeMDLSTM, Cell: nn.CellLayerNorm, Hidden: m.Hidden, ClipError: m.ClipError}
	axes := s.Axes
	if view != nn.ViewGrid {
		layer.Cell, layer.ForgetBias, axes = nn.CellPlain, 1, 1
	}
	if m.Cell != "" {
		if err := oneOf("cell", m.Cell, nn.Cells); err != nil {
			return nn.Config{}, err
		}
		layer.Cell = m.Cell
	}
	if m.ForgetBias != nil {
		layer.ForgetBias = *m.ForgetBias
	}
	var err error
	if layer.Directions, err = directions(m.Directions, axes); err != nil {
		return nn.Config{}, err
	}
	switch {
	case m.Hidden < 1 || m.Hidden > math.MaxInt32:
		return nn.Config{}, usagef("--hidden %d: must be at least 1 unit", m.Hidden)
	case layer.ForgetBias < -math.MaxFloat32 || layer.ForgetBias > math.MaxFloat32:
		return nn.Config{}, usagef("--forget-bias %v: must fit a float32", layer.ForgetBias)
	case m.ClipError != nil && !(*m.ClipError >= 0 && *m.ClipError <= math.MaxFloat32):
		return nn.Config{}, usagef("--clip-error %v: must be a positive number, or 0 for none", *m.ClipError)
	}
	return nn.Config{
		View: view, Input: s.Input, Layers: []nn.Layer{layer},
		Head: nn.Head{Units: s.Units, Activation: s.Activation}, Loss: s.Loss,
	}, nil
}

// directions reads --directions for grids of so many axes.
func directions(text string, axes int) ([]string, error) {
	switch text {
	case "1":
		return []string{strings.Repeat("+", axes)}, nil
	case "all":
		var all []string
		for _, d := range grid.AllDirections(axes) {
			all = append(all, d.Signs(axes))
		}
		return all, nil
	}
	list := strings.Split(text, ",")
	for i, signs := range list {
		if len(signs) != axes || strings.Trim(signs, "+-") != "" {
			return nil, usagef("--directions %.40q: want 1, all, or a list such as %s: a sign, + or -, for each of %s",
				text, strings.Repeat("+", axes)+","+strings.Repeat("-", axes), axesOf(axes))
		}
		if slices.Contains(list[:i], signs) {
			return nil, usagef("--directions %.40q: %s is given twice", text, signs)
		}
	}
	return list, nil
}

func axesOf(n int) string {
	if n == 1 {
		return "1 axis"
	}
	return fmt.Sprintf("%d axes", n)
}

// nameOf is what the seed would call a model.
func nameOf(c nn.Config) string {
	switch c.View {
	case nn.ViewRows:
		return modelHorizontal
	case nn.ViewSnake:
		return modelSnake
	}
	return modelMD
}

// loadModel reads a model file, or the model of a run folder.
func loadModel(path string) (*nn.Model, []float32, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = modelIn(path)
	}
	return nn.LoadModel(path)
}

// modelIn is the model file of a run folder: the best one where there were
// validations, else the newest.
func modelIn(dir string) string {
	best := filepath.Join(dir, bestFile)
	if _, err := os.Stat(best); err == nil {
		return best
	}
	return filepath.Join(dir, modelFile)
}
