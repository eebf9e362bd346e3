package nn

import (
	"fmt"
	"slices"
	"strings"
)

// maxCount bounds every length, every tensor and the parameters of a model:
// kernels and schedules count in 32 bits.
const maxCount = 1<<31 - 1

// builder walks a configuration from the input to the head and collects stages
// and parameters. The first impossible thing ends the walk.
type builder struct {
	config   Config // as given: windows of all 1 are still there to be checked
	axes     int    // of the grid at this depth, or AnyAxes
	features int    // of a cell at this depth
	sums     int    // sum layers so far
	stages   []Stage
	params   []Param
	size     int
}

// build checks c and takes it apart. Errors begin with "config: ".
func build(c Config) (*builder, error) {
	b := &builder{config: c, axes: gridAxes(c), features: c.Input}
	if err := b.walk(); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return b, nil
}

// gridAxes is the number of axes of the grid that the first layer works on:
// what the first layer that fixes it says, or AnyAxes. A view other than grid
// leaves one axis.
func gridAxes(c Config) int {
	if c.View == ViewRows || c.View == ViewSnake {
		return 1
	}
	sums := 0
	for _, l := range c.Layers {
		switch {
		case l.Type == TypeSum:
			sums++
		case len(l.Directions) > 0:
			return len(l.Directions[0]) + sums
		case trimWindow(l.Window) != nil:
			return len(l.Window) + sums
		}
	}
	return AnyAxes
}

func (b *builder) walk() error {
	c := b.config
	if err := checkWhole(c); err != nil {
		return err
	}
	for i, l := range c.Layers {
		if err := b.layer(i, l); err != nil {
			return err
		}
	}
	head := Stage{
		Layer: len(c.Layers), Type: TypeDense, Head: true, Name: "head", Axes: b.axes,
		Features: b.features, In: b.features, Out: c.Head.Units,
		Activation: c.Head.Activation, Bias: true,
	}
	return b.dense(head, "head")
}

// layer adds layer i.
func (b *builder) layer(i int, l Layer) error {
	path := fmt.Sprintf("layers[%d]", i)
	if err := checkLayer(path, l); err != nil {
		return err
	}
	s := Stage{
		Layer: i, Type: l.Type, Name: fmt.Sprintf("layers.%d", i), Axes: b.axes,
		Features: b.features, In: b.features, Out: b.features, Window: trimWindow(l.Window),
	}
	if err := b.window(&s, path, l); err != nil {
		return err
	}
	l = l.withDefaults()
	switch l.Type {
	case TypeMDLSTM:
		return b.mdlstm(s, path, l)
	case TypeDense:
		s.Out, s.Activation, s.Bias = l.Units, l.Activation, *l.Bias
		return b.dense(s, path)
	default:
		return b.sum(s, path, l)
	}
}

// window checks the window of a layer against the grid and sets s.In.
func (b *builder) window(s *Stage, path string, l Layer) error {
	if l.Window == nil {
		return nil
	}
	path += ".window"
	if b.axes != AnyAxes && len(l.Window) != b.axes {
		return fmt.Errorf("%s: got %v with %d lengths, the grid has %s", path, l.Window, len(l.Window), b.axesText())
	}
	if s.Window != nil && b.viewed() {
		return fmt.Errorf("%s: got %v, want none or [1]: view %q has no windows", path, l.Window, b.config.View)
	}
	in, ok := product(append([]int{b.features}, l.Window...)...)
	if !ok {
		return fmt.Errorf("%s: %v windows of %d features make more than %d", path, l.Window, b.features, maxCount)
	}
	s.In = in
	return nil
}

func (b *builder) mdlstm(s Stage, path string, l Layer) error {
	if axes := len(l.Directions[0]); axes != b.axes {
		return fmt.Errorf("%s.directions[0]: got %q with %s, the grid has %s", path, l.Directions[0], count(axes, "sign", "signs"), b.axesText())
	}
	s.Cell, s.Hidden, s.Gates = l.Cell, l.Hidden, b.axes+3
	s.Directions, s.Combine = l.Directions, l.Combine
	s.ForgetBias, s.ClipError, s.Dropout = l.ForgetBias, *l.ClipError, l.Dropout

	r, d, g, h := len(s.Directions), s.Axes, s.Gates, s.Hidden
	s.Out = h
	if s.Combine == CombineConcat {
		out, ok := product(r, h)
		if !ok {
			return fmt.Errorf("%s.hidden: %d directions of %d make more than %d features", path, r, h, maxCount)
		}
		s.Out = out
	}
	gates, ok := product(g, h)
	if !ok {
		return fmt.Errorf("%s.hidden: %d gates of %d make more than %d", path, g, h, maxCount)
	}
	tensors := []Param{
		{Name: "weight_ih", Shape: []int{r, gates, s.In}},
		{Name: "weight_hh", Shape: []int{r, d, gates, h}},
	}
	if s.Cell == CellLayerNorm {
		tensors = append(tensors,
			Param{Name: "ln_gate.weight", Shape: []int{r, g, h}},
			Param{Name: "ln_gate.bias", Shape: []int{r, g, h}},
			Param{Name: "ln_cell.weight", Shape: []int{r, h}},
			Param{Name: "ln_cell.bias", Shape: []int{r, h}})
	} else {
		tensors = append(tensors, Param{Name: "bias", Shape: []int{r, gates}})
	}
	if s.Cell == CellGraves {
		tensors = append(tensors,
			Param{Name: "peephole_f", Shape: []int{r, d, h}},
			Param{Name: "peephole_i", Shape: []int{r, h}},
			Param{Name: "peephole_o", Shape: []int{r, h}})
	}
	return b.add(s, path, tensors)
}

func (b *builder) dense(s Stage, path string) error {
	tensors := []Param{{Name: "weight", Shape: []int{s.Out, s.In}}}
	if s.Bias {
		tensors = append(tensors, Param{Name: "bias", Shape: []int{s.Out}})
	}
	return b.add(s, path, tensors)
}

func (b *builder) sum(s Stage, path string, l Layer) error {
	s.Axis = *l.Axis
	switch {
	case b.viewed():
		return fmt.Errorf("%s: view %q has no sum", path, b.config.View)
	case b.axes == AnyAxes:
	case s.Axis >= b.axes:
		return fmt.Errorf("%s.axis: got %d, the grid has %s", path, s.Axis, b.axesText())
	default:
		b.axes--
	}
	b.sums++
	return b.add(s, path, nil)
}

// add appends a stage and its tensors, whose names still lack the prefix.
func (b *builder) add(s Stage, path string, tensors []Param) error {
	for _, p := range tensors {
		n, ok := product(p.Shape...)
		if !ok || n > maxCount-b.size {
			return fmt.Errorf("%s: %s %v takes the model beyond %d parameters: make its layers smaller", path, p.Name, p.Shape, maxCount)
		}
		p.Name = s.Name + "." + p.Name
		p.Offset, p.Stage = b.size, len(b.stages)
		b.params = append(b.params, p)
		b.size += n
	}
	b.stages = append(b.stages, s)
	b.features = s.Out
	return nil
}

// viewed says whether the view makes the grid 1-D.
func (b *builder) viewed() bool {
	return b.config.View == ViewRows || b.config.View == ViewSnake
}

// axesText is the number of axes at this depth and where it comes from.
func (b *builder) axesText() string {
	text := count(b.axes, "axis", "axes") + " there"
	switch {
	case b.viewed():
		text += fmt.Sprintf(" (view %q)", b.config.View)
	case b.sums > 0:
		text += fmt.Sprintf(" (after %s)", count(b.sums, "sum", "sums"))
	}
	return text
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// product multiplies positive numbers; false beyond maxCount.
func product(factors ...int) (int, bool) {
	n := 1
	for _, f := range factors {
		if f > maxCount/n {
			return 0, false
		}
		n *= f
	}
	return n, true
}

// oneOf refuses a name that is not in a list.
func oneOf(path, got string, want []string) error {
	if slices.Contains(want, got) {
		return nil
	}
	return fmt.Errorf("%s: got %q, want %s", path, got, strings.Join(want, ", "))
}
