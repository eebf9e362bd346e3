package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// stackLayer is a layer of a stack as a user writes it: an item of --layers or a
// table [[layers]] of a configuration file, whose keys are those of a model file;
// only here a sum may leave out its axis.
type stackLayer struct {
	Type string `toml:"type"`

	Cell       string   `toml:"cell"`
	Hidden     int      `toml:"hidden"`
	Directions any      `toml:"directions"` // text as for --directions, or a list
	Combine    string   `toml:"combine"`
	ForgetBias float64  `toml:"forget_bias"`
	ClipError  *float64 `toml:"clip_error"`
	Dropout    float64  `toml:"dropout"`

	Units      int    `toml:"units"`
	Activation string `toml:"activation"`
	Bias       *bool  `toml:"bias"`

	Window []int `toml:"window"`
	Axis   *int  `toml:"axis"` // of a sum; nil for all axes that are left
}

// headTable is the table [head] of a configuration file; what it leaves out
// follows from the task.
type headTable struct {
	Units      int    `toml:"units"`
	Activation string `toml:"activation"`
}

// layersHelp is how --layers is written.
const layersHelp = "a stack instead of the one layer: items in quotes, mdlstm:CELL:HIDDEN[:DIRECTIONS], dense:UNITS[:ACTIVATION] (tanh), sum[:AXIS] (all axes), " +
	"each with more as :KEY=VALUE (window=2x2 dropout=0.5 combine=mean forget_bias=1 clip_error=1 bias=false)"

// oneLayerFlags describe the model of one layer, which a stack replaces.
var oneLayerFlags = []string{"cell", "hidden", "directions", "forget-bias", "clip-error", "dropout", "combine", "window"}

// parseLayers reads --layers. Errors name the item.
func parseLayers(text string) ([]stackLayer, error) {
	var stack []stackLayer
	for i, item := range strings.Fields(text) {
		l, err := parseLayer(item)
		if err != nil {
			return nil, usagef("%s: %w", layersItem(i, item), err)
		}
		stack = append(stack, l)
	}
	if len(stack) == 0 {
		return nil, usagef("--layers is empty: give items such as mdlstm:stable:16:all")
	}
	return stack, nil
}

func layersItem(i int, item string) string {
	return fmt.Sprintf("--layers, item %d %.60q", i+1, item)
}

// parseLayer reads one item: the type, what it takes by place, then by name.
func parseLayer(item string) (l stackLayer, err error) {
	parts := strings.Split(item, ":")
	l.Type = parts[0]
	places, ok := map[string][]string{
		nn.TypeMDLSTM: {"cell", "hidden", "directions"},
		nn.TypeDense:  {"units", "activation"},
		nn.TypeSum:    {"axis"},
	}[l.Type]
	if !ok {
		types := []string{nn.TypeMDLSTM, nn.TypeDense, nn.TypeSum}
		return l, fmt.Errorf("want %s%s", strings.Join(types, ", "), didYouMean(l.Type, types, ""))
	}
	seen := map[string]bool{}
	for i, part := range parts[1:] {
		key, value, named := strings.Cut(part, "=")
		key = strings.ReplaceAll(key, "-", "_")
		// The signs of a direction may be all there is, so no key has any.
		if !named {
			if i >= len(places) {
				return l, fmt.Errorf("%q is one too many: want %s, then KEY=VALUE", part, itemForm(l.Type, places))
			}
			key, value = places[i], part
		}
		if seen[key] {
			return l, fmt.Errorf("%s is given twice", key)
		}
		seen[key] = true
		if err := l.set(key, value); err != nil {
			return l, err
		}
	}
	switch {
	case l.Type == nn.TypeMDLSTM && (!seen["cell"] || !seen["hidden"]), l.Type == nn.TypeDense && !seen["units"]:
		return l, fmt.Errorf("want %s", itemForm(l.Type, places))
	case l.Type == nn.TypeDense && !seen["activation"]:
		l.Activation = nn.Tanh
	}
	return l, nil
}

func itemForm(layerType string, places []string) string {
	return layerType + ":" + strings.ToUpper(strings.Join(places, ":"))
}

// set stores the text of a key.
func (l *stackLayer) set(key, text string) error {
	bad := func(want string) error { return fmt.Errorf("%s %q: want %s", key, text, want) }
	whole := func(dst *int) error {
		n, err := strconv.Atoi(text)
		if err != nil {
			return bad("a whole number")
		}
		*dst = n
		return nil
	}
	number := func(dst *float64) error {
		v, err := parseFinite(text)
		if err != nil {
			return bad("a number")
		}
		*dst = v
		return nil
	}
	switch key {
	case "cell":
		l.Cell = text
	case "hidden":
		return whole(&l.Hidden)
	case "directions":
		l.Directions = text
	case "combine":
		l.Combine = text
	case "forget_bias":
		return number(&l.ForgetBias)
	case "clip_error":
		l.ClipError = new(float64)
		return number(l.ClipError)
	case "dropout":
		return number(&l.Dropout)
	case "units":
		return whole(&l.Units)
	case "activation":
		l.Activation = text
	case "bias":
		truth, err := strconv.ParseBool(text)
		if err != nil {
			return bad("true or false")
		}
		l.Bias = &truth
	case "window":
		window, err := grid.ParseShape(text)
		if err != nil {
			return bad("cells on each axis, such as 2x2")
		}
		l.Window = window
	case "axis":
		l.Axis = new(int)
		return whole(l.Axis)
	default:
		keys := []string{"cell", "hidden", "directions", "combine", "forget_bias", "clip_error", "dropout", "units", "activation", "bias", "window", "axis"}
		return fmt.Errorf("no key %q%s", key, didYouMean(key, keys, ""))
	}
	return nil
}

// layers makes the layers of a stack for grids of so many axes; from says which
// item of the stack each of them came from.
func layers(stack []stackLayer, axes int, where func(item int, key string) string) (list []nn.Layer, from []int, err error) {
	for i, s := range stack {
		l := nn.Layer{
			Type: s.Type, Cell: s.Cell, Hidden: s.Hidden, Combine: s.Combine, ForgetBias: s.ForgetBias, ClipError: s.ClipError,
			Dropout: s.Dropout, Units: s.Units, Activation: s.Activation, Bias: s.Bias, Window: s.Window, Axis: s.Axis,
		}
		count := 1
		switch {
		case s.Type == nn.TypeMDLSTM:
			if axes < 1 {
				return nil, nil, usagef("%s: no axis is left behind the sums", where(i, "type"))
			}
			if l.Directions, err = s.directions(where(i, "directions")+": directions", axes); err != nil {
				return nil, nil, err
			}
		case s.Directions != nil && (s.Type == nn.TypeDense || s.Type == nn.TypeSum):
			return nil, nil, usagef("%s: directions go with an mdlstm layer", where(i, "directions"))
		case s.Type == nn.TypeSum && s.Axis == nil:
			l.Axis = new(int)
			if count = axes; axes < 1 {
				return nil, nil, usagef("%s: no axis is left to sum over", where(i, "type"))
			}
		}
		if s.Type == nn.TypeSum {
			axes -= count
		}
		for range count {
			list, from = append(list, l), append(from, i)
		}
	}
	return list, from, nil
}

// directions are those of an mdlstm layer on so many axes.
func (l stackLayer) directions(what string, axes int) ([]string, error) {
	switch d := l.Directions.(type) {
	case nil:
		return directions(what, "1", axes)
	case string:
		return directions(what, d, axes)
	case []any:
		var list []string
		for _, one := range d {
			text, ok := one.(string)
			if !ok {
				return nil, usagef("%s %v: want texts, such as %q", what, d, strings.Repeat("+", axes))
			}
			list = append(list, text)
		}
		return directions(what, strings.Join(list, ","), axes)
	}
	return nil, usagef(`%s %v: want "1", "all", or a list such as ["%s"]`, what, l.Directions, strings.Repeat("+", axes))
}

var layerFault = regexp.MustCompile(`^config: layers\[(\d+)\]\.?(\w*)(.*)$`)

// stackError says of a fault in a layer where the user wrote it.
func stackError(err error, from []int, where func(item int, key string) string) error {
	m := layerFault.FindStringSubmatch(err.Error())
	if m == nil {
		return usagef("%w", err)
	}
	i, _ := strconv.Atoi(m[1])
	if i >= len(from) {
		return usagef("%w", err)
	}
	return usagef("%s: %s%s", where(from[i], m[2]), m[2], strings.TrimPrefix(m[3], ": "+m[2]))
}

// layerLine is the line of a key in the n-th [[layers]] of a file, or that of the
// table where the key is not in it.
func layerLine(data []byte, n int, key string) int {
	tables, inside, line := 0, false, 0
	for i, text := range strings.Split(string(data), "\n") {
		text = strings.TrimSpace(text)
		switch name, _, _ := strings.Cut(text, "="); {
		case strings.HasPrefix(text, "["):
			inside = strings.HasPrefix(text, "[[layers]]") && tables == n
			if strings.HasPrefix(text, "[[layers]]") {
				tables++
			}
			if inside {
				line = i + 1
			}
		case inside && strings.TrimSpace(name) == key:
			return i + 1
		}
	}
	return line
}

// layerWants says what a value of a key in [[layers]] and [head] must look like.
var layerWants = map[string]string{
	"type": "text", "cell": "text", "combine": "text", "activation": "text",
	"hidden": "a whole number", "units": "a whole number", "axis": "a whole number",
	"forget_bias": "a number", "clip_error": "a number", "dropout": "a number",
	"bias": "true or false", "window": "a list of whole numbers",
	"directions": `"1", "all" or a list of texts`,
}

// tableKeys are the keys of the tables that a file may have.
var tableKeys = map[string][]string{
	"layers": slices.Sorted(maps.Keys(layerWants)),
	"head":   {"activation", "units"},
}
