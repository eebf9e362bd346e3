package nn

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mdlstm-gpu/host/hostile"
)

// contract is the JSON of the model file's contract, with every key.
const contract = `{"view": "grid", "input": 3,
 "layers": [{"type": "mdlstm", "cell": "layernorm", "hidden": 16, "directions": ["++", "-+"], "window": [1, 2],
             "combine": "mean", "forget_bias": -0.5, "clip_error": 1, "dropout": 0.25},
            {"type": "dense", "units": 6, "activation": "tanh", "bias": true, "window": [1, 1]},
            {"type": "sum", "axis": 0}],
 "head": {"units": 3, "activation": "softmax"},
 "loss": "cross_entropy", "class_weights": [1, 0.5, 0], "ignore_index": 255}`

func TestParseConfig(t *testing.T) {
	for _, test := range []struct {
		name string
		json string
		want Config
	}{
		{"every key", contract, Config{
			View: ViewGrid, Input: 3,
			Layers: []Layer{
				{
					Type: TypeMDLSTM, Cell: CellLayerNorm, Hidden: 16, Directions: []string{"++", "-+"}, Window: []int{1, 2},
					Combine: CombineMean, ForgetBias: -0.5, ClipError: ptr(1.0), Dropout: 0.25,
				},
				{Type: TypeDense, Units: 6, Activation: Tanh, Bias: ptr(true)},
				{Type: TypeSum, Axis: ptr(0)},
			},
			Head: Head{Units: 3, Activation: Softmax}, Loss: CrossEntropy,
			ClassWeights: []float64{1, 0.5, 0}, IgnoreIndex: ptr(255),
		}},
		{"defaults", `{"input": 1, "layers": [
			{"type": "mdlstm", "cell": "layernorm", "hidden": 2, "directions": ["+"]},
			{"type": "mdlstm", "cell": "plain", "hidden": 2, "directions": ["+"]},
			{"type": "dense", "units": 2, "activation": "linear"}],
			"head": {"units": 1, "activation": "sigmoid"}, "loss": "mse"}`, Config{
			View: ViewGrid, Input: 1,
			Layers: []Layer{
				{Type: TypeMDLSTM, Cell: CellLayerNorm, Hidden: 2, Directions: []string{"+"}, Combine: CombineConcat, ClipError: ptr(1.0)},
				{Type: TypeMDLSTM, Cell: CellPlain, Hidden: 2, Directions: []string{"+"}, Combine: CombineConcat, ClipError: ptr(0.0)},
				{Type: TypeDense, Units: 2, Activation: Linear, Bias: ptr(true)},
			},
			Head: Head{Units: 1, Activation: Sigmoid}, Loss: MSE,
		}},
		{"head only", `{"input": 1, "head": {"units": 1, "activation": "tanh"}, "loss": "mse"}`, Config{
			View: ViewGrid, Input: 1, Layers: []Layer{}, Head: Head{Units: 1, Activation: Tanh}, Loss: MSE,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseConfig([]byte(test.json))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, test.want); diff != "" {
				t.Errorf("got (-) and want (+):\n%s", diff)
			}
		})
	}
}

// TestParseConfigRefuses replaces one piece of a good text.
func TestParseConfigRefuses(t *testing.T) {
	for _, test := range []struct {
		name     string
		old, new string
		want     string
	}{
		{"unknown key", `"input": 3`, `"input": 3, "inputs": 3`, `key "inputs" does not exist: want view, input,`},
		{"key in other case", `"input": 3`, `"Input": 3`, `key "Input" does not exist`},
		{"unknown key in a layer", `"units": 6`, `"units": 6, "relu": true`, `key "layers[1].relu" does not exist`},
		{"unknown key in the head", `"units": 3`, `"units": 3, "bias": true`, `key "head.bias" does not exist`},
		{"key twice", `"input": 3`, `"input": 3, "input": 3`, `key "input" is given twice`},
		{"key twice in a layer", `"axis": 0`, `"axis": 0, "axis": 0`, `key "layers[2].axis" is given twice`},
		{"key of another type of layer", `"units": 6`, `"units": 6, "hidden": 0`, "layers[1].hidden does not belong to a dense layer"},
		{"trailing data", `"ignore_index": 255}`, `"ignore_index": 255} {}`, "not JSON"},
		{"cut off", `"ignore_index": 255}`, `"ignore_index": 2`, "not JSON"},
		{"trailing comma", `"axis": 0}]`, `"axis": 0},]`, "not JSON"},
		{"NaN", `-0.5`, `NaN`, "not JSON"},
		{"string for a number", `"input": 3`, `"input": "3"`, `input: got "3", want a whole number`},
		{"fraction for a whole number", `"hidden": 16`, `"hidden": 16.5`, "layers[0].hidden: got 16.5, want a whole number"},
		{"whole number out of range", `"hidden": 16`, `"hidden": 99999999999999999999`, "layers[0].hidden: got 99999999999999999999"},
		{"number out of range", `-0.5`, `1e999`, "layers[0].forget_bias: got 1e999, want a number"},
		{"number for a string", `"view": "grid"`, `"view": 1`, "view: got 1, want a string"},
		{"number for a truth value", `"bias": true`, `"bias": 1`, "layers[1].bias: got 1, want true or false"},
		{"truth value for a number", `"dropout": 0.25`, `"dropout": false`, "layers[0].dropout: got false, want a number"},
		{"null", `"clip_error": 1`, `"clip_error": null`, "layers[0].clip_error: got null, want a number"},
		{"null list", `[1, 0.5, 0]`, `null`, "class_weights: got null, want a list"},
		{"list for an object", `{"type": "sum", "axis": 0}`, `[]`, "layers[2]: got a list, want an object"},
		{"object for a list", `[1, 2]`, `{}`, "layers[0].window: got an object, want a list"},
		{"wrong entry of a list", `["++", "-+"]`, `["++", 2]`, "layers[0].directions[1]: got 2, want a string"},
		{"empty list", `[1, 0.5, 0]`, `[]`, "class_weights: got 0, want one for each"},
		{"window of 1, wrong length", `[1, 1]`, `[1, 1, 1]`, "layers[1].window: got [1 1 1] with 3 lengths"},
		{"invalid", `"hidden": 16`, `"hidden": 0`, "layers[0].hidden: got 0"},
		{"not an object", contract, `[]`, "config: got a list, want an object"},
		{"empty", contract, ``, "not JSON"},
		{"nothing in it", contract, `{}`, "input: got 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if n := strings.Count(contract, test.old); n != 1 {
				t.Fatalf("%q is %d times in the text, want 1", test.old, n)
			}
			c, err := ParseConfig([]byte(strings.Replace(contract, test.old, test.new, 1)))
			if err == nil {
				t.Fatalf("got no error but %+v", c)
			}
			checkMessage(t, err, "config: ", []string{test.want})
		})
	}
}

func TestConfigJSON(t *testing.T) {
	for _, c := range []Config{good(), hierarchy(), small(CellStable), {Input: 1, Head: Head{Units: 1, Activation: Linear}, Loss: MSE}} {
		checkRoundTrip(t, c)
	}
	got, err := small(CellLayerNorm).JSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"view":"grid","input":3,"layers":[{"type":"mdlstm","cell":"layernorm","hidden":4,"directions":["++","--"],` +
		`"combine":"concat","clip_error":1}],"head":{"units":2,"activation":"linear"},"loss":"mse"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// checkRoundTrip writes c, reads it, and writes it again.
func checkRoundTrip(t *testing.T, c Config) {
	t.Helper()
	text, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseConfig(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if diff := cmp.Diff(back, c.WithDefaults()); diff != "" {
		t.Errorf("%s: got (-) and want (+):\n%s", text, diff)
	}
	again, err := back.JSON()
	if err != nil || !bytes.Equal(again, text) {
		t.Errorf("got %s %v, want %s", again, err, text)
	}
}

// FuzzParseConfig wants an error or a configuration that survives a round trip
// and builds.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(contract))
	f.Add([]byte(`{"view":"snake","input":1,"layers":[{"type":"mdlstm","cell":"graves","hidden":2,"directions":["+","-"]}],"head":{"units":1,"activation":"sigmoid"},"loss":"binary_cross_entropy"}`))
	f.Add([]byte(`{"input":1,"layers":[{"type":"sum","axis":1}],"head":{"units":1,"activation":"tanh"},"loss":"mse"}`))
	f.Add([]byte(`{"input":2147483647,"head":{"units":2147483647,"activation":"linear"},"loss":"mse"}`))
	f.Add([]byte(`{"layers":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Config
		var err error
		hostile.Allocates(t, 1<<20+1024*int64(len(data)), func() { c, err = ParseConfig(data) })
		if err != nil {
			hostile.OneLine(t, err, "")
			return
		}
		checkRoundTrip(t, c)
		m, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if m.Size() < 1 || m.Size() > maxCount {
			t.Errorf("got %d parameters", m.Size())
		}
	})
}
