package nn

import (
	"math"
	"strings"
	"testing"
)

// TestValidateRefuses changes one thing in a good configuration.
func TestValidateRefuses(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, test := range []struct {
		name   string
		change func(c *Config)
		want   []string // fragments of the message
	}{
		{"view", func(c *Config) { c.View = "columns" }, []string{`view: got "columns"`, "grid, rows, snake"}},
		{"input 0", func(c *Config) { c.Input = 0 }, []string{"input: got 0, want 1 to"}},
		{"input negative", func(c *Config) { c.Input = -3 }, []string{"input: got -3"}},
		{"input absurd", func(c *Config) { c.Input = 1 << 31 }, []string{"input: got 2147483648"}},
		{"loss", func(c *Config) { c.Loss = "mae" }, []string{`loss: got "mae"`, "mse, cross_entropy, binary_cross_entropy"}},
		{"loss missing", func(c *Config) { c.Loss = "" }, []string{`loss: got ""`}},
		{"ctc", func(c *Config) { c.Loss = "ctc" }, []string{`loss: "ctc" is a reserved name`}},
		{"head units", func(c *Config) { c.Head.Units = 0 }, []string{"head.units: got 0"}},
		{"head activation", func(c *Config) { c.Head.Activation = "relu" }, []string{`head.activation: got "relu"`, "softmax"}},
		{"mse with softmax", func(c *Config) { c.Head.Activation = Softmax }, []string{`head.activation: got "softmax"`, `loss "mse" goes with sigmoid, tanh, linear`}},
		{"binary with linear", func(c *Config) { c.Loss = BinaryCrossEntropy }, []string{`head.activation: got "linear"`, "sigmoid"}},
		{"cross entropy with sigmoid", func(c *Config) { c.Loss, c.Head.Activation = CrossEntropy, Sigmoid }, []string{`got "sigmoid"`, "softmax"}},
		{"softmax of one", func(c *Config) { classes(c, 1) }, []string{"head.units: got 1, softmax needs 2"}},
		{"class weights with mse", func(c *Config) { c.ClassWeights = []float64{1, 1} }, []string{"class_weights", `"cross_entropy" only`}},
		{"ignore index with mse", func(c *Config) { c.IgnoreIndex = ptr(255) }, []string{"ignore_index", `"cross_entropy" only`}},
		{"ignore index absurd", func(c *Config) { classes(c, 2); c.IgnoreIndex = ptr(1 << 40) }, []string{"ignore_index: got 1099511627776"}},
		{"class weights too few", func(c *Config) { classes(c, 3); c.ClassWeights = []float64{1, 1} }, []string{"class_weights: got 2", "3 units"}},
		{"class weights none", func(c *Config) { classes(c, 3); c.ClassWeights = []float64{} }, []string{"class_weights: got 0", "3 units"}},
		{"class weight negative", func(c *Config) { classes(c, 2); c.ClassWeights = []float64{1, -1} }, []string{"class_weights[1]: got -1"}},
		{"class weight NaN", func(c *Config) { classes(c, 2); c.ClassWeights = []float64{nan, 1} }, []string{"class_weights[0]: got NaN"}},
		{"class weight beyond float32", func(c *Config) { classes(c, 2); c.ClassWeights = []float64{1e40, 1} }, []string{"class_weights[0]: got 1e+40"}},
		{"class weights all 0", func(c *Config) { classes(c, 2); c.ClassWeights = []float64{0, 0} }, []string{"class_weights: all are 0"}},

		{"type", func(c *Config) { c.Layers[1].Type = "conv" }, []string{`layers[1].type: got "conv"`, "mdlstm, dense, sum"}},
		{"type missing", func(c *Config) { c.Layers[0].Type = "" }, []string{`layers[0].type: got ""`}},
		{"hidden on dense", func(c *Config) { c.Layers[1].Hidden = 4 }, []string{"layers[1].hidden does not belong to a dense layer", "units"}},
		{"dropout on dense", func(c *Config) { c.Layers[1].Dropout = 0.1 }, []string{"layers[1].dropout does not belong to a dense layer"}},
		{"units on mdlstm", func(c *Config) { c.Layers[0].Units = 4 }, []string{"layers[0].units does not belong to a mdlstm layer"}},
		{"bias on mdlstm", func(c *Config) { c.Layers[0].Bias = ptr(false) }, []string{"layers[0].bias does not belong"}},
		{"window on sum", func(c *Config) { c.Layers[2].Window = []int{1, 1} }, []string{"layers[2].window does not belong to a sum layer"}},

		{"cell", func(c *Config) { c.Layers[0].Cell = "gru" }, []string{`layers[0].cell: got "gru"`, "layernorm, plain, graves, stable, leakylp"}},
		{"hidden", func(c *Config) { c.Layers[0].Hidden = 0 }, []string{"layers[0].hidden: got 0, want 1 to"}},
		{"combine", func(c *Config) { c.Layers[0].Combine = "max" }, []string{`layers[0].combine: got "max"`, "concat, sum, mean"}},
		{"forget bias", func(c *Config) { c.Layers[0].ForgetBias = nan }, []string{"layers[0].forget_bias: got NaN"}},
		{"forget bias infinite", func(c *Config) { c.Layers[0].ForgetBias = -inf }, []string{"layers[0].forget_bias: got -Inf"}},
		{"clip error negative", func(c *Config) { c.Layers[0].ClipError = ptr(-1.0) }, []string{"layers[0].clip_error: got -1"}},
		{"clip error infinite", func(c *Config) { c.Layers[0].ClipError = &inf }, []string{"layers[0].clip_error: got +Inf", "0 (off)"}},
		{"dropout 1", func(c *Config) { c.Layers[0].Dropout = 1 }, []string{"layers[0].dropout: got 1, want 0 or more and below 1"}},
		{"dropout negative", func(c *Config) { c.Layers[0].Dropout = -0.1 }, []string{"layers[0].dropout: got -0.1"}},
		{"dropout NaN", func(c *Config) { c.Layers[0].Dropout = nan }, []string{"layers[0].dropout: got NaN"}},

		{"no directions", func(c *Config) { c.Layers[0].Directions = nil }, []string{"layers[0].directions: got none"}},
		{"empty direction", func(c *Config) { c.Layers[0].Directions = []string{""} }, []string{`layers[0].directions[0]: got ""`}},
		{"wrong sign", func(c *Config) { c.Layers[0].Directions = []string{"++", "+x"} }, []string{`layers[0].directions[1]: got "+x"`}},
		{"unequal directions", func(c *Config) { c.Layers[0].Directions = []string{"++", "+"} }, []string{`layers[0].directions[1]: got "+" with 1 sign`, `"++" with 2`}},
		{"repeated direction", func(c *Config) { c.Layers[0].Directions = []string{"++", "--", "++"} }, []string{`layers[0].directions[2]: got "++"`, "layers[0].directions[0] already"}},
		{"more than 2^D", func(c *Config) { c.Layers[0].Directions = []string{"++", "--", "+-", "-+", "--"} }, []string{"layers[0].directions[4]"}},
		{"directions against the depth", func(c *Config) { c.Layers = append(c.Layers, mdlstm(CellPlain, 2)) }, []string{`layers[3].directions[0]: got "++" with 2 signs, the grid has 1 axis there (after 1 sum)`}},
		{"directions under a view", func(c *Config) { c.View = ViewRows }, []string{`layers[0].directions[0]: got "++" with 2 signs, the grid has 1 axis there (view "rows")`}},
		{"mdlstm on no axes", func(c *Config) {
			c.Layers = append(c.Layers, Layer{Type: TypeSum, Axis: ptr(0)}, Layer{Type: TypeMDLSTM, Cell: CellPlain, Hidden: 1, Directions: []string{"+"}})
		}, []string{`layers[4].directions[0]: got "+" with 1 sign, the grid has 0 axes there (after 2 sums)`}},

		{"window empty", func(c *Config) { c.Layers[0].Window = []int{} }, []string{"layers[0].window: got []"}},
		{"window 0", func(c *Config) { c.Layers[0].Window = []int{1, 0} }, []string{"layers[0].window[1]: got 0"}},
		{"window too long", func(c *Config) { c.Layers[1].Window = []int{1, 2, 1} }, []string{"layers[1].window: got [1 2 1] with 3 lengths, the grid has 2 axes there"}},
		{"window of 1 too long", func(c *Config) { c.Layers[1].Window = []int{1, 1, 1} }, []string{"layers[1].window: got [1 1 1] with 3 lengths"}},
		{"window under a view", func(c *Config) { viewed(c); c.Layers[0].Window = []int{2} }, []string{"layers[0].window: got [2]", `view "snake" has no windows`}},
		{"sum under a view", func(c *Config) { viewed(c); c.Layers = append(c.Layers, Layer{Type: TypeSum, Axis: ptr(0)}) }, []string{"layers[1]", `view "snake" has no sum`}},

		{"units", func(c *Config) { c.Layers[1].Units = 0 }, []string{"layers[1].units: got 0"}},
		{"activation", func(c *Config) { c.Layers[1].Activation = Softmax }, []string{`layers[1].activation: got "softmax", want tanh, sigmoid, linear`}},
		{"activation missing", func(c *Config) { c.Layers[1].Activation = "" }, []string{`layers[1].activation: got ""`}},
		{"axis missing", func(c *Config) { c.Layers[2].Axis = nil }, []string{"layers[2].axis: missing"}},
		{"axis negative", func(c *Config) { c.Layers[2].Axis = ptr(-1) }, []string{"layers[2].axis: got -1"}},
		{"axis beyond", func(c *Config) { c.Layers[2].Axis = ptr(2) }, []string{"layers[2].axis: got 2, the grid has 2 axes there"}},
		{"sum of nothing", func(c *Config) {
			c.Layers = append(c.Layers, Layer{Type: TypeSum, Axis: ptr(0)}, Layer{Type: TypeSum, Axis: ptr(0)})
		}, []string{"layers[4].axis: got 0, the grid has 0 axes there"}},

		{"too many parameters", func(c *Config) { c.Layers[0].Hidden = 20000 }, []string{"layers[0]: weight_hh [1 2 100000 20000]", "beyond 2147483647 parameters"}},
		{"too many in all", func(c *Config) { c.Layers[0].Hidden, c.Layers[1].Units = 10000, 200000 }, []string{"layers[1]: weight [200000 10000]"}},
		{"too many gates", func(c *Config) { c.Layers[0].Hidden = 1 << 30 }, []string{"layers[0].hidden: 5 gates"}},
		{"too wide", func(c *Config) { c.Layers[0].Directions = []string{"++", "--"}; c.Layers[0].Hidden = 1<<31 - 1 }, []string{"layers[0].hidden: 2 directions"}},
		{"window too large", func(c *Config) { c.Layers[0].Window = []int{1 << 20, 1 << 20} }, []string{"layers[0].window: [1048576 1048576] windows"}},
		{"head too large", func(c *Config) { c.Head.Units = 1<<31 - 1 }, []string{"head: weight"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := good()
			test.change(&c)
			err := c.Validate()
			if err == nil {
				t.Fatal("got no error")
			}
			checkMessage(t, err, "config: ", test.want)
			if _, newErr := New(c); newErr == nil || newErr.Error() != err.Error() {
				t.Errorf("New: got %v, want %v", newErr, err)
			}
			if _, jsonErr := c.JSON(); jsonErr == nil {
				t.Error("JSON: got no error")
			}
		})
	}
}

// TestValidateAccepts holds the test above to account: what it starts from and
// the edges of what it refuses are allowed.
func TestValidateAccepts(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(c *Config)
	}{
		{"unchanged", func(*Config) {}},
		{"no layers", func(c *Config) { c.Layers = nil }},
		{"softmax of two", func(c *Config) { classes(c, 2) }},
		{"classes", func(c *Config) { classes(c, 2); c.ClassWeights, c.IgnoreIndex = []float64{0, 2}, ptr(-100) }},
		{"windows of 1", func(c *Config) { c.Layers[0].Window = []int{1, 1} }},
		{"window of 1 under a view", func(c *Config) { viewed(c); c.Layers[0].Window = []int{1} }},
		{"all sums", func(c *Config) { c.Layers = append(c.Layers, Layer{Type: TypeSum, Axis: ptr(0)}) }},
		{"dense on no axes", func(c *Config) {
			c.Layers = append(c.Layers, Layer{Type: TypeSum, Axis: ptr(0)}, Layer{Type: TypeDense, Units: 1, Activation: Tanh})
		}},
		{"all directions", func(c *Config) { c.Layers[0].Directions = []string{"++", "--", "+-", "-+"} }},
		{"clip error off", func(c *Config) { c.Layers[0].ClipError = ptr(0.0) }},
		{"dropout", func(c *Config) { c.Layers[0].Dropout = 0.999 }},
		{"four axes", func(c *Config) { c.Layers[0].Directions = []string{"+-+-"} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := good()
			test.change(&c)
			if err := c.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// good has a layer of every type.
func good() Config {
	return Config{
		Input: 3,
		Layers: []Layer{
			mdlstm(CellLayerNorm, 4),
			{Type: TypeDense, Units: 5, Activation: Tanh},
			{Type: TypeSum, Axis: ptr(1)},
		},
		Head: Head{Units: 2, Activation: Linear},
		Loss: MSE,
	}
}

func classes(c *Config, units int) {
	c.Loss, c.Head = CrossEntropy, Head{Units: units, Activation: Softmax}
}

// viewed leaves one layer, on sequences.
func viewed(c *Config) {
	c.View = ViewSnake
	c.Layers = c.Layers[:1]
	c.Layers[0].Directions = []string{"+"}
}

// checkMessage wants one line that begins with prefix and has the fragments.
func checkMessage(t *testing.T, err error, prefix string, fragments []string) {
	t.Helper()
	text := err.Error()
	if !strings.HasPrefix(text, prefix) || strings.Contains(text, "\n") {
		t.Errorf("got %q, want one line that begins with %q", text, prefix)
	}
	for _, fragment := range fragments {
		if !strings.Contains(text, fragment) {
			t.Errorf("got %q, want it to have %q", text, fragment)
		}
	}
}
