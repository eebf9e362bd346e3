package ref

import (
	"fmt"
	"slices"

	"mdlstm-gpu/host/nn"
)

// Params are tensors by name, row-major, with the names and shapes of the model
// file.
type Params map[string][]float64

// ZeroLike is a set of zero tensors of the same names and lengths.
func ZeroLike(p Params) Params {
	z := Params{}
	for name, v := range p {
		z[name] = make([]float64, len(v))
	}
	return z
}

// Names lists the tensors in a fixed order, sorted.
func Names(p Params) []string {
	var names []string
	for name := range p {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Tensor is the name and shape of one parameter tensor.
type Tensor struct {
	Name  string
	Shape []int
}

// Tensors lists the parameters of a model on grids of the given number of axes
// (before the view), layer by layer, the head last.
func Tensors(c nn.Config, axes int) ([]Tensor, error) {
	if isView(c.View) {
		axes = 1
	}
	var ts []Tensor
	k := c.Input
	for l, conf := range c.Layers {
		name := fmt.Sprintf("layers.%d", l)
		switch conf.Type {
		case "mdlstm":
			of, err := mdlstmTensors(name, conf, axes, k*cells(conf.Window))
			if err != nil {
				return nil, fmt.Errorf("layer %d: %w", l, err)
			}
			ts = append(ts, of...)
			k = conf.Hidden
			if conf.Combine == "" || conf.Combine == "concat" {
				k *= len(conf.Directions)
			}
		case "dense":
			if conf.Units < 1 {
				return nil, fmt.Errorf("layer %d: dense of %d units: want at least 1", l, conf.Units)
			}
			ts = append(ts, Tensor{name + ".weight", []int{conf.Units, k * cells(conf.Window)}})
			if conf.Bias == nil || *conf.Bias {
				ts = append(ts, Tensor{name + ".bias", []int{conf.Units}})
			}
			k = conf.Units
		case "sum":
			axes--
		default:
			return nil, fmt.Errorf("layer %d: type %q: want mdlstm, dense or sum", l, conf.Type)
		}
	}
	if c.Head.Units < 1 {
		return nil, fmt.Errorf("head of %d units: want at least 1", c.Head.Units)
	}
	return append(ts, Tensor{"head.weight", []int{c.Head.Units, k}}, Tensor{"head.bias", []int{c.Head.Units}}), nil
}

func mdlstmTensors(name string, conf nn.Layer, axes, k int) ([]Tensor, error) {
	r, d, h := len(conf.Directions), axes, conf.Hidden
	g := d + 3
	if r == 0 || d < 1 || h < 1 {
		return nil, fmt.Errorf("mdlstm of %d directions, %d axes, %d hidden: want at least 1 of each", r, d, h)
	}
	for _, dir := range conf.Directions {
		if len(dir) != d {
			return nil, fmt.Errorf("direction %q: want one sign for each of %d axes", dir, d)
		}
	}
	ts := []Tensor{
		{name + ".weight_ih", []int{r, g * h, k}},
		{name + ".weight_hh", []int{r, d, g * h, h}},
	}
	switch conf.Cell {
	case "layernorm":
		ts = append(ts,
			Tensor{name + ".ln_gate.weight", []int{r, g, h}}, Tensor{name + ".ln_gate.bias", []int{r, g, h}},
			Tensor{name + ".ln_cell.weight", []int{r, h}}, Tensor{name + ".ln_cell.bias", []int{r, h}})
	case "plain", "stable", "leakylp":
		ts = append(ts, Tensor{name + ".bias", []int{r, g * h}})
	case "graves":
		ts = append(ts, Tensor{name + ".bias", []int{r, g * h}},
			Tensor{name + ".peephole_f", []int{r, d, h}},
			Tensor{name + ".peephole_i", []int{r, h}}, Tensor{name + ".peephole_o", []int{r, h}})
	default:
		return nil, fmt.Errorf("cell %q: want layernorm, plain, graves, stable or leakylp", conf.Cell)
	}
	return ts, nil
}

// weights are one layer's tensors, cut to one direction; nil where the cell has
// none. The same type holds their gradients.
type weights struct {
	ih, hh, bias        []float64 // [G·H, K], [D, G·H, H], [G·H]
	lnGateW, lnGateB    []float64 // [G, H]
	lnCellW, lnCellB    []float64 // [H]
	peepF, peepI, peepO []float64 // [D, H], [H], [H]
}

func directionWeights(p Params, name string, q, directions int) weights {
	cut := func(tensor string) []float64 {
		v := p[name+"."+tensor]
		n := len(v) / directions
		return v[q*n : (q+1)*n]
	}
	return weights{
		ih: cut("weight_ih"), hh: cut("weight_hh"), bias: cut("bias"),
		lnGateW: cut("ln_gate.weight"), lnGateB: cut("ln_gate.bias"),
		lnCellW: cut("ln_cell.weight"), lnCellB: cut("ln_cell.bias"),
		peepF: cut("peephole_f"), peepI: cut("peephole_i"), peepO: cut("peephole_o"),
	}
}
