package mdlstm

import (
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// Config is the architecture, head and loss of a model, the JSON in a model
// file. Keys left out have defaults; [OneLayer] makes the usual one.
//
//	Config{
//		View:  "grid",              // or "rows", "snake": 1-D models of the same grid
//		Input: 3,                   // K, channels of a cell
//		Layers: []Layer{…},
//		Head:  Head{Units: 2, Activation: "softmax"},
//		Loss:  "cross_entropy",     // or "mse", "binary_cross_entropy"
//		ClassWeights: …, IgnoreIndex: …,   // cross_entropy only
//	}
type Config = nn.Config

// Layer is one layer. Its Type says which fields it has:
//
//	"mdlstm"  Cell, Hidden, Directions, Combine, ForgetBias, ClipError, Dropout, Window
//	"dense"   Units, Activation, Bias, Window
//	"sum"     Axis
//
// Cell is "layernorm", "plain", "graves", "stable" or "leakylp". A direction has
// one sign an axis: + scans from index 0 up, - from the end; [Corners] lists all.
// A Window of cells becomes one cell before the layer.
type Layer = nn.Layer

// Head is the last dense layer: its Units are the values that the model gives
// for a cell. Activation "linear", "sigmoid" or "tanh" goes with the loss mse,
// "softmax" with cross_entropy, "sigmoid" with binary_cross_entropy.
type Head = nn.Head

// Shape is the size of a grid, a number of at least 1 for each axis, the first
// axis slowest: {rows, columns} in two axes. The shape without axes is one cell,
// what is left when every axis was summed.
type Shape = grid.Shape

// Optimizer is an update rule: [Adam] or [SGD].
type Optimizer = engine.Optimizer

// The update rules. [engine.Adam] has their equations.
const (
	Adam = engine.Adam
	SGD  = engine.SGD
)

// Info says what computes: the engine, "cpu" or "gpu", its device, and what
// decides the bits of its results.
type Info = engine.Info

// OneLayer is the configuration of the usual model: one mdlstm layer of
// layernorm cells that scans grids of so many axes from every corner, and a head
// that suits the loss: linear for "mse", softmax for "cross_entropy", sigmoid
// for "binary_cross_entropy". The result may be changed before it is used; on
// grids of more than about 100 cells an axis, Layers[0].Cell = "stable" is safer.
// Impossible numbers are refused by [New].
func OneLayer(axes, input, hidden, units int, loss string) Config {
	activation := map[string]string{nn.CrossEntropy: nn.Softmax, nn.BinaryCrossEntropy: nn.Sigmoid}[loss]
	if activation == "" {
		activation = nn.Linear
	}
	return Config{
		Input:  input,
		Layers: []Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellLayerNorm, Hidden: hidden, Directions: Corners(axes)}},
		Head:   Head{Units: units, Activation: activation},
		Loss:   loss,
	}
}

// Corners lists the 2^axes directions of a grid, "++", "+-", "-+", "--" in two
// axes. It is nil for fewer than 1 and more than 8 axes, which no model has.
func Corners(axes int) []string {
	if axes < 1 || axes > grid.MaxAxes {
		return nil
	}
	corners := make([]string, 1<<axes)
	for i := range corners {
		signs := make([]byte, axes)
		for axis := range signs {
			signs[axis] = '+'
			if i>>(axes-1-axis)&1 == 1 {
				signs[axis] = '-'
			}
		}
		corners[i] = string(signs)
	}
	return corners
}
