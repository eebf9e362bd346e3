package nn

import (
	"fmt"
	"math"
	"slices"
)

// AnyAxes is what [Model.Axes] and [Stage.Axes] say when any number fits.
const AnyAxes = -1

// Model is a checked [Config] taken apart into stages and parameters. It holds
// no numbers: parameters live in one flat []float32 in the order of Params. It
// is read-only once made and safe for use by several goroutines.
type Model struct {
	Config Config  // with defaults
	Stages []Stage // the layers in order, then the head
	Params []Param
}

// Param is one tensor of a model: a range of the flat parameters, row-major.
type Param struct {
	Name   string // as in the model file: "layers.0.weight_ih"
	Shape  []int
	Offset int // of its first value
	Stage  int // index in Model.Stages
}

// Stage is one step of a model's computation: a layer or the head. Fields that
// do not belong to its Type are zero.
type Stage struct {
	Layer    int    // index in Config.Layers; len(Config.Layers) for the head
	Type     string // "mdlstm", "dense", "sum"; the head is "dense"
	Head     bool
	Name     string // "layers.0", "head": what its tensors' names begin with
	Axes     int    // axes of the grid it works on (1 after a view), AnyAxes when not fixed
	Features int    // of an arriving cell, before the window
	In       int    // product of Window times Features
	Out      int    // features of a leaving cell
	Window   []int  // cells that become one on each axis; nil = 1 on every axis

	// mdlstm
	Cell       string
	Hidden     int
	Gates      int // Axes + 3
	Directions []string
	Combine    string // "concat", "sum", "mean"
	ForgetBias float64
	ClipError  float64 // 0 = off
	Dropout    float64

	// dense
	Activation string
	Bias       bool

	// sum
	Axis int
}

// New builds the model of a configuration. Errors are those of
// [Config.Validate]. The model keeps its own copy of c, with defaults.
func New(c Config) (*Model, error) {
	b, err := build(c)
	if err != nil {
		return nil, err
	}
	return &Model{Config: c.WithDefaults(), Stages: b.stages, Params: b.params}, nil
}

// Size is the number of values of the parameter.
func (p Param) Size() int {
	n := 1
	for _, length := range p.Shape {
		n *= length
	}
	return n
}

// Size is the number of parameters, the length of the flat slice.
func (m *Model) Size() int {
	if len(m.Params) == 0 {
		return 0
	}
	last := m.Params[len(m.Params)-1]
	return last.Offset + last.Size()
}

// Param finds a tensor by its name in the model file, "layers.0.weight_ih".
func (m *Model) Param(name string) (Param, bool) {
	for _, p := range m.Params {
		if p.Name == name {
			return p, true
		}
	}
	return Param{}, false
}

// StageParam finds a tensor of Stages[stage] by what follows the stage's name,
// "weight_ih". It is false where the stage has no such tensor.
func (m *Model) StageParam(stage int, suffix string) (Param, bool) {
	if stage < 0 || stage >= len(m.Stages) {
		return Param{}, false
	}
	return m.Param(m.Stages[stage].Name + "." + suffix)
}

// Units is the number of values that the model gives for a cell.
func (m *Model) Units() int { return m.Config.Head.Units }

// Axes is the number of axes of the input grid, before the view. It is
// [AnyAxes] for the views rows and snake, and where no layer fixes it.
func (m *Model) Axes() int {
	if m.Config.View != ViewGrid {
		return AnyAxes
	}
	return gridAxes(m.Config)
}

// OutputShape is the grid of the model's output for one sample: in after the
// windows, which round up, and the sums. It is [] when every axis is summed.
// The views rows and snake keep the grid as it is. It refuses a grid with
// another number of axes than the model takes, and axes shorter than 1.
func (m *Model) OutputShape(in []int) ([]int, error) {
	if want := m.Axes(); want != AnyAxes && len(in) != want {
		return nil, fmt.Errorf("grid %v: got %d axes, the model takes %d", in, len(in), want)
	}
	if len(in) == 0 {
		return nil, fmt.Errorf("grid %v: got 0 axes, want 1 or more", in)
	}
	for axis, length := range in {
		if length < 1 {
			return nil, fmt.Errorf("grid %v: got length %d on axis %d, want 1 or more", in, length, axis)
		}
	}
	out := slices.Clone(in)
	if m.Config.View != ViewGrid {
		return out, nil
	}
	for _, s := range m.Stages {
		for axis, cells := range s.Window {
			out[axis] = (out[axis]-1)/cells + 1
		}
		if s.Type != TypeSum {
			continue
		}
		if s.Axis >= len(out) {
			return nil, fmt.Errorf("grid %v: got %d axes, %s sums over axis %d of %d: give a grid with more axes", in, len(in), s.Name, s.Axis, len(out))
		}
		out = slices.Delete(out, s.Axis, s.Axis+1)
	}
	return out, nil
}

// Windows is how many cells of each of so many axes become one cell of output,
// for a model without sums; no more than math.MaxInt32, which no axis is as long
// as.
func (m *Model) Windows(axes int) []int {
	cells := slices.Repeat([]int{1}, axes)
	for _, s := range m.Stages {
		for axis, n := range s.Window {
			cells[axis] = min(cells[axis]*n, math.MaxInt32)
		}
	}
	return cells
}
