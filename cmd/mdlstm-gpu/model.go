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
	Dropout    float64  `toml:"dropout"`
	Combine    string   `toml:"combine"`
	Window     string   `toml:"window"`

	// A stack in place of the one layer: the text of --layers, or the tables of a
	// configuration file, whose text is in configData.
	Layers     string       `toml:"-"`
	Stack      []stackLayer `toml:"layers"`
	Head       headTable    `toml:"head"`
	configPath string
	configData []byte
}

func defaultModel() modelOptions {
	return modelOptions{Model: modelMD, Hidden: 16, Directions: "1"}
}

// architectureFlags decide the model, so a model from a file excludes them.
var architectureFlags = []string{"model", "cell", "hidden", "directions", "forget-bias", "clip-error", "dropout", "combine", "window",
	"layers", "head", "loss", "ignore-index", "class-weights"}

func (m *modelOptions) options() []option {
	list := append([]option{
		{name: "model", aliases: []string{"model_type"}, arg: "NAME", group: "Model",
			usage: "MD_LSTM (the whole grid), or the seed's 1-D models HORIZONTAL_SD_LSTM (every row a sequence) and SNAKE_SD_LSTM (all cells, row after row)", dest: &m.Model},
	}, m.layerOptions()...)
	return append(list,
		option{name: "dropout", arg: "P", group: "Model", usage: "share of the layer's inputs that each step leaves out", dest: &m.Dropout},
		option{name: "combine", arg: "NAME", group: "Model", usage: "what becomes of the directions' outputs: concat (without it), sum or mean", dest: &m.Combine},
		option{name: "window", arg: "2x2", group: "Model", usage: "cells that become one before the layer", dest: &m.Window},
		option{name: "layers", arg: `"ITEM …"`, group: "Model", usage: layersHelp, dest: &m.Layers},
	)
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

// config is the model for a task: its layers and the task's head.
func (m modelOptions) config(s task.Spec) (nn.Config, error) {
	view, ok := map[string]string{modelMD: nn.ViewGrid, modelHorizontal: nn.ViewRows, modelSnake: nn.ViewSnake}[m.Model]
	if !ok {
		return nn.Config{}, oneOf("model", m.Model, models)
	}
	axes := s.Axes
	if view != nn.ViewGrid {
		axes = 1
	}
	c := nn.Config{View: view, Input: s.Input, Head: nn.Head{Units: s.Units, Activation: s.Activation}, Loss: s.Loss}
	if m.Head.Units != 0 {
		c.Head.Units = m.Head.Units
	}
	if m.Head.Activation != "" {
		c.Head.Activation = m.Head.Activation
	}
	if m.Layers == "" && m.Stack == nil {
		layer, err := m.oneLayer(view, axes)
		c.Layers = []nn.Layer{layer}
		return c, err
	}
	stack, where := m.Stack, m.inFile
	if m.Layers != "" {
		var err error
		if stack, err = parseLayers(m.Layers); err != nil {
			return c, err
		}
		where = m.inText
	}
	var from []int
	var err error
	if c.Layers, from, err = layers(stack, axes, where); err != nil {
		return c, err
	}
	if err := c.Validate(); err != nil {
		return c, stackError(err, from, where)
	}
	return c, nil
}

// inFile is where a key of a table of the configuration file stands.
func (m modelOptions) inFile(table int, key string) string {
	return fmt.Sprintf("%s:%d", m.configPath, layerLine(m.configData, table, key))
}

// inText names an item of --layers.
func (m modelOptions) inText(item int, _ string) string {
	return layersItem(item, strings.Fields(m.Layers)[item])
}

// oneLayer is the layer that the flags describe.
func (m modelOptions) oneLayer(view string, axes int) (nn.Layer, error) {
	layer := nn.Layer{Type: nn.TypeMDLSTM, Cell: nn.CellLayerNorm, Hidden: m.Hidden, ClipError: m.ClipError, Dropout: m.Dropout, Combine: m.Combine}
	if view != nn.ViewGrid {
		layer.Cell, layer.ForgetBias = nn.CellPlain, 1
	}
	if m.Cell != "" {
		if err := oneOf("cell", m.Cell, nn.Cells); err != nil {
			return layer, err
		}
		layer.Cell = m.Cell
	}
	if m.ForgetBias != nil {
		layer.ForgetBias = *m.ForgetBias
	}
	if m.Combine != "" {
		if err := oneOf("combine", m.Combine, []string{nn.CombineConcat, nn.CombineSum, nn.CombineMean}); err != nil {
			return layer, err
		}
	}
	var err error
	if layer.Directions, err = directions("--directions", m.Directions, axes); err != nil {
		return layer, err
	}
	if m.Window != "" {
		window, err := grid.ParseShape(m.Window)
		if err != nil || len(window) != axes {
			return layer, usagef("--window %.40q: want cells on each of %s, such as %s", m.Window, axesOf(axes), strings.TrimSuffix(strings.Repeat("2x", axes), "x"))
		}
		if view != nn.ViewGrid {
			return layer, usagef("--window %s goes with --model %s", m.Window, modelMD)
		}
		layer.Window = window
	}
	switch {
	case m.Hidden < 1 || m.Hidden > math.MaxInt32:
		return layer, usagef("--hidden %d: must be at least 1 unit", m.Hidden)
	case layer.ForgetBias < -math.MaxFloat32 || layer.ForgetBias > math.MaxFloat32:
		return layer, usagef("--forget-bias %v: must fit a float32", layer.ForgetBias)
	case m.ClipError != nil && !(*m.ClipError >= 0 && *m.ClipError <= math.MaxFloat32):
		return layer, usagef("--clip-error %v: must be a positive number, or 0 for none", *m.ClipError)
	case !(m.Dropout >= 0 && m.Dropout < 1):
		return layer, usagef("--dropout %v: must be 0 or more and below 1", m.Dropout)
	}
	return layer, nil
}

// directions reads directions for grids of so many axes; what names them.
func directions(what, text string, axes int) ([]string, error) {
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
			return nil, usagef("%s %.40q: want 1, all, or a list such as %s: a sign, + or -, for each of %s",
				what, text, strings.Repeat("+", axes)+","+strings.Repeat("-", axes), axesOf(axes))
		}
		if slices.Contains(list[:i], signs) {
			return nil, usagef("%s %.40q: %s is given twice", what, text, signs)
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
