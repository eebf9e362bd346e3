package nn

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// Validate refuses a configuration that cannot be built. The error is one line
// that names the key by its path in the JSON, its value and what is allowed.
// Missing keys count as their defaults.
func (c Config) Validate() error {
	_, err := build(c)
	return err
}

// checkWhole checks what does not need the layers.
func checkWhole(c Config) error {
	if c.View != "" {
		if err := oneOf("view", c.View, views); err != nil {
			return err
		}
	}
	if err := positive("input", c.Input); err != nil {
		return err
	}
	if c.Loss == reservedCTC {
		return fmt.Errorf("loss: %q is a reserved name without a meaning yet, want %s", c.Loss, strings.Join(losses, ", "))
	}
	if err := oneOf("loss", c.Loss, losses); err != nil {
		return err
	}
	if err := positive("head.units", c.Head.Units); err != nil {
		return err
	}
	if err := oneOf("head.activation", c.Head.Activation, append(slices.Clone(activations), Softmax)); err != nil {
		return err
	}
	if want := headActivations[c.Loss]; !slices.Contains(want, c.Head.Activation) {
		return fmt.Errorf("head.activation: got %q, loss %q goes with %s", c.Head.Activation, c.Loss, strings.Join(want, ", "))
	}
	if c.Head.Activation == Softmax && c.Head.Units == 1 {
		return fmt.Errorf("head.units: got 1, softmax needs 2 or more: with 1 it is always 1, use sigmoid and binary_cross_entropy")
	}
	return checkClasses(c)
}

// checkClasses checks the keys that only cross_entropy has.
func checkClasses(c Config) error {
	if c.Loss != CrossEntropy {
		if c.ClassWeights != nil {
			return fmt.Errorf("class_weights: goes with loss %q only, got loss %q", CrossEntropy, c.Loss)
		}
		if c.IgnoreIndex != nil {
			return fmt.Errorf("ignore_index: goes with loss %q only, got loss %q", CrossEntropy, c.Loss)
		}
		return nil
	}
	if i := c.IgnoreIndex; i != nil && (*i < math.MinInt32 || *i > math.MaxInt32) {
		return fmt.Errorf("ignore_index: got %d, want %d to %d", *i, math.MinInt32, math.MaxInt32)
	}
	if c.ClassWeights == nil {
		return nil
	}
	if len(c.ClassWeights) != c.Head.Units {
		return fmt.Errorf("class_weights: got %d, want one for each of the head's %d units", len(c.ClassWeights), c.Head.Units)
	}
	for i, w := range c.ClassWeights {
		if !(w >= 0 && w <= math.MaxFloat32) {
			return fmt.Errorf("class_weights[%d]: got %v, want a finite number, 0 or more", i, w)
		}
	}
	if slices.Max(c.ClassWeights) == 0 {
		return fmt.Errorf("class_weights: all are 0, want one or more above 0")
	}
	return nil
}

// checkLayer checks what a layer can be checked for by itself.
func checkLayer(path string, l Layer) error {
	if err := oneOf(path+".type", l.Type, layerTypes); err != nil {
		return err
	}
	fields := reflect.ValueOf(l)
	for i, key := range jsonKeys(fields.Type()) {
		if !fields.Field(i).IsZero() && !slices.Contains(layerKeys[l.Type], key) {
			return foreignKey(path+"."+key, l.Type)
		}
	}
	if l.Window != nil && len(l.Window) == 0 {
		return fmt.Errorf("%s.window: got [], want one length an axis", path)
	}
	for axis, cells := range l.Window {
		if err := positive(fmt.Sprintf("%s.window[%d]", path, axis), cells); err != nil {
			return err
		}
	}
	switch l.Type {
	case TypeMDLSTM:
		return checkMDLSTM(path, l)
	case TypeDense:
		if err := positive(path+".units", l.Units); err != nil {
			return err
		}
		return oneOf(path+".activation", l.Activation, activations)
	default:
		if l.Axis == nil {
			return fmt.Errorf("%s.axis: missing, want the axis to sum over, 0 or more", path)
		}
		if *l.Axis < 0 {
			return fmt.Errorf("%s.axis: got %d, want 0 or more", path, *l.Axis)
		}
		return nil
	}
}

func checkMDLSTM(path string, l Layer) error {
	if err := oneOf(path+".cell", l.Cell, Cells); err != nil {
		return err
	}
	if err := positive(path+".hidden", l.Hidden); err != nil {
		return err
	}
	if l.Combine != "" {
		if err := oneOf(path+".combine", l.Combine, combines); err != nil {
			return err
		}
	}
	if math.Abs(l.ForgetBias) > math.MaxFloat32 || math.IsNaN(l.ForgetBias) {
		return fmt.Errorf("%s.forget_bias: got %v, want a finite number", path, l.ForgetBias)
	}
	if e := l.ClipError; e != nil && !(*e >= 0 && *e <= math.MaxFloat32) {
		return fmt.Errorf("%s.clip_error: got %v, want a finite number, 0 (off) or more", path, *e)
	}
	if !(l.Dropout >= 0 && l.Dropout < 1) {
		return fmt.Errorf("%s.dropout: got %v, want 0 or more and below 1", path, l.Dropout)
	}
	return checkDirections(path+".directions", l.Directions)
}

// checkDirections checks signs, equal lengths and that none comes twice.
func checkDirections(path string, directions []string) error {
	if len(directions) == 0 {
		return fmt.Errorf(`%s: got none, want one or more, each with one sign an axis, such as "++"`, path)
	}
	first := map[string]int{}
	for i, d := range directions {
		if d == "" || strings.Trim(d, "+-") != "" {
			return fmt.Errorf("%s[%d]: got %q, want one + (from index 0 up) or - (from the end) an axis", path, i, d)
		}
		if len(d) != len(directions[0]) {
			return fmt.Errorf("%s[%d]: got %q with %s, %s[0] is %q with %d", path, i, d, count(len(d), "sign", "signs"), path, directions[0], len(directions[0]))
		}
		if j, ok := first[d]; ok {
			return fmt.Errorf("%s[%d]: got %q, which is %s[%d] already", path, i, d, path, j)
		}
		first[d] = i
	}
	return nil
}

// positive refuses what is not a usable length.
func positive(path string, n int) error {
	if n < 1 || n > maxCount {
		return fmt.Errorf("%s: got %d, want 1 to %d", path, n, maxCount)
	}
	return nil
}
