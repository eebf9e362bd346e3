package ref

import (
	"fmt"
	"math"
)

// dense is y = act(W x + b) on every cell, after an optional window.
type dense struct {
	name       string
	units      int
	activation string
	window     []int
	bias       bool
	p          Params

	win  *window
	x, y field
}

func (l *dense) forward(in field) (field, error) {
	var err error
	l.win, err = newWindow(l.window, in)
	if err != nil {
		return field{}, err
	}
	l.x = l.win.forward(in)
	w := l.p[l.name+".weight"]
	l.y = field{shape: l.x.shape, k: l.units, v: make([]float64, cells(l.x.shape)*l.units)}
	for cell := range cells(l.x.shape) {
		x, y := l.x.at(cell), l.y.at(cell)
		for u := range y {
			if l.bias {
				y[u] = l.p[l.name+".bias"][u]
			}
			for k, v := range x {
				y[u] += w[u*l.x.k+k] * v
			}
			y[u], err = activate(l.activation, y[u])
			if err != nil {
				return field{}, err
			}
		}
	}
	return l.y, nil
}

func (l *dense) backward(dout []float64, grads Params) []float64 {
	w, dw := l.p[l.name+".weight"], grads[l.name+".weight"]
	dx := field{shape: l.x.shape, k: l.x.k, v: make([]float64, len(l.x.v))}
	for cell := range cells(l.x.shape) {
		x, y, to := l.x.at(cell), l.y.at(cell), dx.at(cell)
		for u := range y {
			dz := dout[cell*l.units+u] * slope(l.activation, y[u])
			if l.bias {
				grads[l.name+".bias"][u] += dz
			}
			for k, v := range x {
				dw[u*l.x.k+k] += dz * v
				to[k] += dz * w[u*l.x.k+k]
			}
		}
	}
	return l.win.backward(dx.v)
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// activate is an activation that works on one unit.
func activate(name string, z float64) (float64, error) {
	switch name {
	case "tanh":
		return math.Tanh(z), nil
	case "sigmoid":
		return sigmoid(z), nil
	case "linear", "":
		return z, nil
	}
	return 0, fmt.Errorf("activation %q: want tanh, sigmoid or linear", name)
}

// slope is an activation's derivative, from its output y.
func slope(name string, y float64) float64 {
	switch name {
	case "tanh":
		return 1 - y*y
	case "sigmoid":
		return y * (1 - y)
	}
	return 1
}
