package mdlstm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/mdlstm"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// What scripts/torch_mdlstm.py may differ by, of the largest value or of 1:
// ten times what was measured. Its float64 is compared with host/ref.
const (
	torchTolerance32 = 2e-5
	torchTolerance64 = 1.5e-13
)

// torchCase is a model with a batch, as the script below reads it.
type torchCase struct {
	Name  string     `json:"name"`
	Model string     `json:"model"` // a file
	Back  string     `json:"back"`  // where Python writes it again
	New   string     `json:"new"`   // where Python writes a model of its own making
	Shape []int      `json:"shape"` // [B, grid …, K]
	X     []float64  `json:"x"`
	Y     []*float64 `json:"y"` // nil = NaN; class numbers for cross_entropy

	config  nn.Config
	params  []float32
	outGrid []int
}

// torchResult is what it says.
type torchResult struct {
	Out32  []float64            `json:"out32"`
	Out64  []float64            `json:"out64"`
	Shape  []int                `json:"shape"`
	Loss   float64              `json:"loss"`
	Grads  map[string][]float64 `json:"grads"`
	NewOut []float64            `json:"new_out"`
}

const torchDriver = `
import json, sys
sys.path.insert(0, "../../scripts")
sys.dont_write_bytecode = True
import torch, torch_mdlstm
torch.manual_seed(1)
torch.set_num_threads(1)
results = []
for case in json.load(open(sys.argv[1])):
    model = torch_mdlstm.load(case["model"])
    torch_mdlstm.save(model, case["back"])
    x = torch.tensor(case["x"], dtype=torch.float64).reshape(case["shape"])
    y = torch.tensor([float("nan") if v is None else v for v in case["y"]], dtype=torch.float64)
    new = torch_mdlstm.Model(json.loads(model.text)).eval()
    torch_mdlstm.save(new, case["new"])
    with torch.no_grad():
        out32, new_out = model(x.float()), new(x.float())
    model.double()
    out64 = model(x)
    if model.config["loss"] != "cross_entropy":
        y = y.reshape(out64.shape)
    loss = model.loss(x, y)
    loss.backward()
    results.append({
        "out32": out32.flatten().tolist(), "out64": out64.flatten().tolist(), "shape": list(out64.shape),
        "loss": loss.item(), "new_out": new_out.flatten().tolist(),
        "grads": {name: p.grad.flatten().tolist() for name, p in model.named_parameters()},
    })
json.dump(results, sys.stdout)
`

const torchRefusals = `
import sys
sys.path.insert(0, "../../scripts")
sys.dont_write_bytecode = True
import torch_mdlstm
for path in sys.argv[1:]:
    try:
        torch_mdlstm.load(path)
        print("loaded")
    except ValueError as e:
        print(str(e).replace("\n", " NEWLINE "))
`

// python runs a script, or skips the test where nobody says that PyTorch is
// there: scripts/interchange_test.sh does.
func python(t *testing.T, script string, args ...string) []byte {
	t.Helper()
	binary := os.Getenv("MDLSTM_PYTHON")
	if binary == "" {
		t.Skip("MDLSTM_PYTHON names no python3 with PyTorch; scripts/interchange_test.sh sets it")
	}
	var stderr bytes.Buffer
	cmd := exec.Command(binary, append([]string{"-c", script}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", binary, err, stderr.String())
	}
	return out
}

// torchConfigs are models of all that a configuration can say.
func torchConfigs() (names []string, configs []nn.Config, grids [][]int) {
	add := func(name string, c nn.Config, grid ...int) {
		names, configs, grids = append(names, name), append(configs, c), append(grids, grid)
	}
	lstm := func(cell string, hidden int, directions ...string) nn.Layer {
		return nn.Layer{Type: nn.TypeMDLSTM, Cell: cell, Hidden: hidden, Directions: directions}
	}
	dense := func(units int, activation string, window ...int) nn.Layer {
		return nn.Layer{Type: nn.TypeDense, Units: units, Activation: activation, Window: window}
	}
	sum := func(axis int) nn.Layer { return nn.Layer{Type: nn.TypeSum, Axis: &axis} }
	mse := func(layers ...nn.Layer) nn.Config {
		return nn.Config{Input: 2, Layers: layers, Head: nn.Head{Units: 2, Activation: nn.Linear}, Loss: nn.MSE}
	}
	one, off, no, ignore := 0.02, 0.0, false, 255
	sides := [][]int{{5}, {4, 3}, {2, 3, 3}, {2, 2, 3, 2}}
	windows := [][]int{{2}, {3, 2}, {1, 2, 2}, {2, 1, 2, 1}}
	for i, cell := range nn.Cells {
		for axes := 1; axes <= 4; axes++ {
			l := lstm(cell, 3, mdlstm.Corners(axes)...)
			l.ForgetBias = 0.3
			add(fmt.Sprintf("%s, %d axes", cell, axes), mse(l), sides[axes-1]...)
			l.Combine = []string{nn.CombineSum, nn.CombineMean}[(i+axes)%2]
			l.Directions, l.Window = mdlstm.Corners(axes)[1:], windows[axes-1]
			l.ClipError = &one
			add(fmt.Sprintf("%s, %d axes, %s, window, clip_error", cell, axes, l.Combine), mse(l), sides[axes-1]...)
		}
		for _, view := range []string{nn.ViewRows, nn.ViewSnake} {
			c := mse(lstm(cell, 3, "+", "-"), dense(2, nn.Tanh))
			c.View = view
			add(cell+", view "+view, c, sides[1+i%2]...)
		}
	}
	unclipped := lstm(nn.CellLayerNorm, 4, "-+")
	unclipped.ClipError, unclipped.Dropout = &off, 0.4
	add("no clip_error, dropout", mse(unclipped), 3, 3)
	unbiased := dense(3, nn.Sigmoid, 2, 2)
	unbiased.Bias = &no
	stack := mse(unbiased, lstm(nn.CellStable, 3, "++", "-+"), sum(1), lstm(nn.CellPlain, 2, "-"), dense(3, nn.Linear))
	stack.Head, stack.Loss, stack.IgnoreIndex = nn.Head{Units: 3, Activation: nn.Softmax}, nn.CrossEntropy, &ignore
	add("stack, classes", stack, 5, 4)
	weighted := stack
	weighted.ClassWeights = []float64{0.5, 2, 1.25}
	add("stack, class weights", weighted, 5, 4)
	bits := mse(lstm(nn.CellGraves, 3, "+++"), sum(0), sum(1), sum(0))
	bits.Head, bits.Loss = nn.Head{Units: 2, Activation: nn.Sigmoid}, nn.BinaryCrossEntropy
	add("all axes summed, bits", bits, 2, 3, 2)
	add("head only", mse(), 2, 2)
	for _, activation := range []string{nn.Sigmoid, nn.Tanh} {
		c := mse(lstm(nn.CellLeakyLP, 2, "+-"))
		c.Head.Activation = activation
		add("head "+activation, c, 1, 4)
	}
	return names, configs, grids
}

// torchCases writes their models, with random parameters and batches of 3.
func torchCases(t *testing.T, dir string) []torchCase {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 8))
	names, configs, grids := torchConfigs()
	cases := make([]torchCase, len(names))
	for i, c := range configs {
		net, err := nn.New(c)
		if err != nil {
			t.Fatalf("%s: %v", names[i], err)
		}
		out, err := net.OutputShape(grids[i])
		if err != nil {
			t.Fatalf("%s: %v", names[i], err)
		}
		file := func(kind string) string { return filepath.Join(dir, fmt.Sprintf("%s%d.safetensors", kind, i)) }
		k := torchCase{
			Name: names[i], Model: file("model"), Back: file("back"), New: file("new"),
			Shape: append(append([]int{3}, grids[i]...), c.Input), config: c, params: net.Init(uint64(i)), outGrid: out,
		}
		for j := range k.params { // what begins as 0 or 1 too
			k.params[j] += float32(0.3 * rng.NormFloat64())
		}
		for range 3 * mdlstm.Shape(grids[i]).Cells() * c.Input {
			k.X = append(k.X, float64(float32(rng.NormFloat64())))
		}
		targets := 3 * mdlstm.Shape(out).Cells()
		if c.Loss != nn.CrossEntropy {
			targets *= c.Head.Units
		}
		for j := range targets {
			v := float64(float32(rng.Float64()))
			switch {
			case c.Loss == nn.CrossEntropy && j%5 == 4:
				v = 255
			case c.Loss == nn.CrossEntropy:
				v = float64(rng.IntN(c.Head.Units))
			case c.Loss == nn.MSE && j%7 == 6:
				k.Y = append(k.Y, nil)
				continue
			}
			k.Y = append(k.Y, &v)
		}
		if err := nn.SaveModel(k.Model, net, k.params); err != nil {
			t.Fatal(err)
		}
		cases[i] = k
	}
	return cases
}

// TestTorch: outputs in float32 against the CPU engine, outputs, loss and
// gradients in float64 against host/ref, files there and back.
func TestTorch(t *testing.T) {
	if os.Getenv("MDLSTM_PYTHON") == "" {
		python(t, "")
	}
	dir := t.TempDir()
	cases := torchCases(t, dir)
	list, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "cases.json")
	if err := os.WriteFile(path, list, 0o666); err != nil {
		t.Fatal(err)
	}
	var results []torchResult
	if err := json.Unmarshal(python(t, torchDriver, path), &results); err != nil {
		t.Fatal(err)
	}
	if len(results) != len(cases) {
		t.Fatalf("%d results, want %d", len(results), len(cases))
	}
	var worst32, worst64, worstGradient float64
	for i, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			worst32 = max(worst32, c.checkEngine(t, c.Model, results[i].Out32), c.checkEngine(t, c.New, results[i].NewOut))
			out, gradient := c.checkRef(t, results[i])
			worst64, worstGradient = max(worst64, out), max(worstGradient, gradient)
			model, err := os.ReadFile(c.Model)
			if err != nil {
				t.Fatal(err)
			}
			back, err := os.ReadFile(c.Back)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(back, model) {
				t.Errorf("the file that Python wrote back has other bytes")
			}
		})
	}
	t.Logf("%d models; of the tolerances used: engine %.2g, ref's outputs %.2g, ref's gradients %.2g", len(cases), worst32, worst64, worstGradient)
}

// checkEngine compares outputs with those of the CPU engine for a model file, and
// returns the share of the tolerance used.
func (c torchCase) checkEngine(t *testing.T, path string, got []float64) float64 {
	t.Helper()
	m, err := mdlstm.Load(path, mdlstm.Options{Device: mdlstm.CPU})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	grid := c.Shape[1 : len(c.Shape)-1]
	samples := make([]mdlstm.Sample, c.Shape[0])
	for n := range samples {
		samples[n].Shape = grid
		perSample := len(c.X) / len(samples)
		for _, v := range c.X[n*perSample:][:perSample] {
			samples[n].X = append(samples[n].X, float32(v))
		}
	}
	outputs, err := m.Predict(context.Background(), samples...)
	if err != nil {
		t.Fatal(err)
	}
	var want []float32
	for _, o := range outputs {
		want = append(want, o.Y...)
	}
	return compareTorch(t, filepath.Base(path)+" outputs", got, want, torchTolerance32)
}

// checkRef compares outputs, loss and gradients with host/ref.
func (c torchCase) checkRef(t *testing.T, r torchResult) (outputs, gradients float64) {
	t.Helper()
	net, err := nn.New(c.config)
	if err != nil {
		t.Fatal(err)
	}
	params := ref.Params{}
	for _, p := range net.Params {
		for _, v := range c.params[p.Offset:][:p.Size()] {
			params[p.Name] = append(params[p.Name], float64(v))
		}
	}
	var b ref.Batch
	samples := c.Shape[0]
	for n := range samples {
		s := ref.Sample{Shape: c.Shape[1 : len(c.Shape)-1], X: c.X[n*len(c.X)/samples:][:len(c.X)/samples]}
		for _, y := range c.Y[n*len(c.Y)/samples:][:len(c.Y)/samples] {
			switch {
			case c.config.Loss == nn.CrossEntropy:
				s.Class = append(s.Class, int(*y))
			case y == nil:
				s.Y = append(s.Y, math.NaN())
			default:
				s.Y = append(s.Y, *y)
			}
		}
		b.Samples = append(b.Samples, s)
	}
	want, grads, err := ref.Gradients(net.Config, params, b, ref.Options{ClipErrors: true})
	if err != nil {
		t.Fatal(err)
	}
	var all []float64
	for _, o := range want.Outputs {
		all = append(all, o...)
	}
	wantShape := append(append([]int{samples}, c.outGrid...), c.config.Head.Units)
	if fmt.Sprint(r.Shape) != fmt.Sprint(wantShape) {
		t.Errorf("shape %v, want %v", r.Shape, wantShape)
	}
	outputs = compareTorch(t, "outputs", r.Out64, all, torchTolerance64)
	compareTorch(t, "loss", []float64{r.Loss}, []float64{want.LossSum / want.Weight}, torchTolerance64)
	for _, p := range net.Params {
		gradients = max(gradients, compareTorch(t, "gradient of "+p.Name, r.Grads[p.Name], grads[p.Name], torchTolerance64))
	}
	return outputs, gradients
}

func compareTorch[A, B approx.Float](t *testing.T, what string, got []A, want []B, share float64) float64 {
	t.Helper()
	wide := make([]float64, len(want))
	for i, v := range want {
		wide[i] = float64(v)
	}
	report, err := approx.Compare(what, nil, got, want, approx.OfLargest(wide, share, 1))
	if err != nil {
		t.Error(err)
	}
	return report.Share
}

// TestTorchRefuses bad files in a line, as the Go reader does.
func TestTorchRefuses(t *testing.T) {
	if os.Getenv("MDLSTM_PYTHON") == "" {
		python(t, "")
	}
	dir := t.TempDir()
	m := open(t, config(), mdlstm.Options{})
	good := filepath.Join(dir, "good.safetensors")
	if err := m.Save(good); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(from, to string) []byte { return bytes.Replace(text, []byte(from), []byte(to), 1) }
	tests := []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "truncated, or not a safetensors file"},
		{"text", []byte("not a model, but longer than 8 bytes"), "truncated, or not a safetensors file"},
		{"cut", text[:len(text)-4], "bytes of data, the header lists"},
		{"header", edit(`{"__meta`, `{{__meta`), "not a safetensors file"},
		{"dtype", edit(`F32`, `F16`), "want F32 values"},
		{"format", edit(`mdlstm-1`, `mdlstm-9`), "format 'mdlstm-9', want 'mdlstm-1'"},
		{"cell", edit(`layernorm`, `layernorn`), "config: layers[0].cell: got 'layernorn'"},
		{"key", edit(`\"hidden\"`, `\"hiddem\"`), "config: 'hidden'"},
		{"no JSON", edit(`\"hidden\":5`, `\"hidden\":x`), "config: not JSON"},
		{"shape", edit(`\"hidden\":5`, `\"hidden\":9`), "the file does not fit its own config"},
	}
	args := []string{good}
	for _, test := range tests {
		path := filepath.Join(dir, test.name)
		if err := os.WriteFile(path, test.content, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := mdlstm.Load(path, mdlstm.Options{}); err == nil {
			t.Errorf("%s: the Go reader takes it", test.name)
		}
		args = append(args, path)
	}
	lines := strings.Split(strings.TrimSpace(string(python(t, torchRefusals, args...))), "\n")
	if len(lines) != len(args) || lines[0] != "loaded" {
		t.Fatalf("got %q", lines)
	}
	for i, test := range tests {
		if got := lines[i+1]; !strings.HasPrefix(got, "load "+args[i+1]+": ") || !strings.Contains(got, test.want) || strings.Contains(got, "NEWLINE") {
			t.Errorf("%s: got %q, want %q in it", test.name, got, test.want)
		}
	}
}

// TestCompareTorch: the comparison sees a wrong value.
func TestCompareTorch(t *testing.T) {
	if _, err := approx.Compare("x", nil, []float64{1, 2 + 3e-12}, []float64{1, 2}, approx.OfLargest([]float64{1, 2}, torchTolerance64, 1)); err == nil {
		t.Error("3e-12 beside 2 passes")
	}
}
