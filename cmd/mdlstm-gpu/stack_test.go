package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mdlstm-gpu/configs"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

func ptr[T any](v T) *T { return &v }

func TestLayersText(t *testing.T) {
	corners := []string{"++", "+-", "-+", "--"}
	for _, c := range []struct {
		text string
		want []nn.Layer
	}{
		{"mdlstm:stable:16", []nn.Layer{{Type: "mdlstm", Cell: "stable", Hidden: 16, Directions: []string{"++"}}}},
		{"mdlstm:plain:4:all", []nn.Layer{{Type: "mdlstm", Cell: "plain", Hidden: 4, Directions: corners}}},
		{"mdlstm:plain:4:--,+-", []nn.Layer{{Type: "mdlstm", Cell: "plain", Hidden: 4, Directions: []string{"--", "+-"}}}},
		{"mdlstm:graves:4:all:window=4x3:dropout=0.5:combine=mean:forget-bias=-1:clip_error=2", []nn.Layer{{
			Type: "mdlstm", Cell: "graves", Hidden: 4, Directions: corners, Window: []int{4, 3}, Dropout: 0.5, Combine: "mean", ForgetBias: -1, ClipError: ptr(2.0)}}},
		{"mdlstm:cell=plain:hidden=2:directions=1", []nn.Layer{{Type: "mdlstm", Cell: "plain", Hidden: 2, Directions: []string{"++"}}}},
		{"dense:6 dense:7:linear:bias=false", []nn.Layer{{Type: "dense", Units: 6, Activation: "tanh"}, {Type: "dense", Units: 7, Activation: "linear", Bias: ptr(false)}}},
		{"sum:1 mdlstm:plain:2:all", []nn.Layer{{Type: "sum", Axis: ptr(1)}, {Type: "mdlstm", Cell: "plain", Hidden: 2, Directions: []string{"+", "-"}}}},
		{"dense:2 sum", []nn.Layer{{Type: "dense", Units: 2, Activation: "tanh"}, {Type: "sum", Axis: ptr(0)}, {Type: "sum", Axis: ptr(0)}}},
	} {
		m := defaultModel()
		m.Layers = c.text
		got, err := m.config(task.Spec{Axes: 2, Input: 1, Units: 1, Activation: "linear", Loss: "mse"})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if d := cmp.Diff(c.want, got.Layers); d != "" {
			t.Errorf("%s: -want +got:\n%s", c.text, d)
		}
	}
}

func TestLayersTextRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{" ", "--layers is empty"},
		{"dense:2 mdlsm:3", `item 2 "mdlsm:3": want mdlstm, dense, sum; did you mean mdlstm?`},
		{"mdlstm:stable", `item 1 "mdlstm:stable": want mdlstm:CELL:HIDDEN:DIRECTIONS`},
		{"mdlstm", "want mdlstm:CELL:HIDDEN:DIRECTIONS"},
		{"mdlstm:sable:4", `item 1 "mdlstm:sable:4": cell: got "sable", want layernorm`},
		{"mdlstm:plain:x", `hidden "x": want a whole number`},
		{"mdlstm:plain:0", "hidden: got 0"},
		{"mdlstm:plain:4:+", `directions "+": want 1, all`},
		{"mdlstm:plain:4:all:2x2", `"2x2" is one too many: want mdlstm:CELL:HIDDEN:DIRECTIONS, then KEY=VALUE`},
		{"mdlstm:plain:4:window=2", "window: got [2] with 1 lengths, the grid has 2 axes"},
		{"mdlstm:plain:4:window=2by2", `window "2by2": want cells on each axis`},
		{"mdlstm:plain:4:dropout=1", "dropout: got 1"},
		{"mdlstm:plain:4:dropout=NaN", `dropout "NaN": want a number`},
		{"mdlstm:plain:4:drop=1", `no key "drop"; did you mean dropout?`},
		{"mdlstm:plain:4:hidden=5", "hidden is given twice"},
		{"mdlstm:plain:4:bias=maybe", `bias "maybe": want true or false`},
		{"dense", "want dense:UNITS:ACTIVATION"},
		{"dense:3:relu", `activation: got "relu"`},
		{"dense:3:hidden=4", "hidden does not belong to a dense layer"},
		{"dense:3:directions=all", "directions go with an mdlstm layer"},
		{"sum:2 mdlstm:plain:2:+", "axis: got 2, the grid has 2 axes"},
		{"sum mdlstm:plain:2", "no axis is left behind the sums"},
		{"sum sum", "no axis is left to sum over"},
	} {
		r := do("train", "--layers", c.text, "--out", filepath.Join(t.TempDir(), "run"))
		if r.code != exitUsage || !strings.Contains(r.err, c.want) || !strings.Contains(r.err, "--layers") {
			t.Errorf("%s: code %d, %q, want %q", c.text, r.code, r.err, c.want)
		}
	}
	r := do("train", "--layers", "dense:2", "--hidden", "3")
	if r.code != exitUsage || !strings.Contains(r.err, "leave --hidden out") {
		t.Errorf("%+v", r)
	}
}

func TestOneLayerFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	classArrays(t, 4)
	data := []string{"train", "--x", "X.npy", "--y", "Y.npy", "--batch", "2", "--hidden", "2", "--device", "cpu", "--steps", "2"}
	must(t, append(data, "--dropout", "0.25", "--combine", "mean", "--directions", "all", "--class-weights", "1,2,0.5", "--out", "run")...)
	record, err := train.ReadRecord("run")
	if err != nil {
		t.Fatal(err)
	}
	l := record.Settings.Model.Layers[0]
	if l.Dropout != 0.25 || l.Combine != "mean" || fmt.Sprint(record.Settings.Model.ClassWeights) != "[1 2 0.5]" {
		t.Errorf("model %+v", record.Settings.Model)
	}
	must(t, "train", "--resume", "run", "--steps", "3")

	out := must(t, append(data, "--class-weights", "balanced", "--dry-run")...)
	// Of 36 cells 14, 12 and 10 have the classes 0, 1 and 2.
	if want := "class weights [0.8571 1 1.2]"; !strings.Contains(out, want) {
		t.Errorf("the dry run lacks %q:\n%s", want, out)
	}
	array(t, "halves.npy", 4, 2, 2, 1)
	if out := must(t, "train", "--x", "X.npy", "--y", "halves.npy", "--window", "2x2", "--dry-run", "--device", "cpu"); !strings.Contains(out, "window [2 2]") {
		t.Errorf("the dry run lacks the window:\n%s", out)
	}
	for _, c := range []struct{ args, want string }{
		{"--dropout 1", "--dropout 1: must be 0 or more and below 1"},
		{"--combine max", `--combine "max": want concat, sum, mean`},
		{"--window 2", `--window "2": want cells on each of 2 axes, such as 2x2`},
		{"--window 2x2 --model SNAKE_SD_LSTM", "--window"},
		{"--class-weights 1,2", `--class-weights "1,2": got 2, want one for each of 3 classes`},
		{"--class-weights 1,x,2", `--class-weights "1,x,2": want numbers`},
		{"--class-weights 1,-1,2", `--class-weights "1,-1,2": want numbers`},
		{"--class-weights 0,0,0", "class_weights"},
		{"--loss mse --class-weights 1,2,3", "--class-weights go with the loss cross_entropy, the loss is mse"},
	} {
		r := do(append(append([]string{}, data...), append(strings.Fields(c.args), "--out", "bad")...)...)
		if r.code == exitDone || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: code %d, %q, want %q", c.args, r.code, r.err, c.want)
		}
	}
	if r := do("train", "--class-weights", "balanced"); r.code != exitUsage || !strings.Contains(r.err, "go with the loss cross_entropy") {
		t.Errorf("%+v", r)
	}
}

func TestBalance(t *testing.T) {
	if got := fmt.Sprint(balance([]int64{1, 0, 3})); got != "[2 1 0.666667]" {
		t.Errorf("got %s", got)
	}
}

// TestOneLabelASample: integers [samples], and a model that sums every axis.
func TestOneLabelASample(t *testing.T) {
	t.Chdir(t.TempDir())
	array(t, "X.npy", 6, 4, 5, 1)
	integers(t, "labels.npy", []int64{0, 1, 2, 0, 1, 2}, 6)
	r := do("train", "--x", "X.npy", "--y", "labels.npy", "--device", "cpu", "--out", "run")
	if r.code != exitFailed || !strings.Contains(r.err, `--layers "mdlstm:stable:16:all sum"`) {
		t.Errorf("%+v", r)
	}
	r = do("train", "--x", "X.npy", "--y", "labels.npy", "--layers", "mdlstm:stable:3:all:window=2x2 dense:4 sum", "--valid", "2",
		"--steps", "3", "--device", "cpu", "--out", "run")
	if r.code != exitDone || !strings.Contains(r.err, "output   one for each sample") {
		t.Fatalf("%+v", r)
	}
	must(t, "predict", "--model", "run", "--in", "X.npy", "--out", "P.npy", "--device", "cpu")
	if p, err := npy.Read("P.npy"); err != nil || fmt.Sprint(p.Shape) != "[6 3]" {
		t.Errorf("predictions %v, %v", p, err)
	}
}

// TestBits: binary cross-entropy from end to end, on zeros and ones that can be
// told from the input.
func TestBits(t *testing.T) {
	t.Chdir(t.TempDir())
	x, y := make([]float32, 8*4*4), make([]float32, 8*4*4*2)
	for i := range x {
		x[i] = float32(i%3) - 1
		if x[i] > 0 {
			y[2*i] = 1
		} else {
			y[2*i+1] = 1
		}
	}
	for path, data := range map[string][]float32{"X.npy": x, "Y.npy": y} {
		if err := npy.Write(path, []int{8, 4, 4, len(data) / 128}, data); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "train", "--x", "X.npy", "--y", "Y.npy", "--loss", "binary_cross_entropy", "--cell", "stable", "--batch", "8", "--steps", "60",
		"--lr", "0.05", "--device", "cpu", "--out", "run")
	must(t, "predict", "--model", "run", "--in", "X.npy", "--out", "P.npy", "--device", "cpu")
	p, err := npy.Read("P.npy")
	if err != nil {
		t.Fatal(err)
	}
	for i := range y {
		if (p.Data[i] > 0.5) != (y[i] == 1) {
			t.Fatalf("bit %d: %v, want %v", i, p.Data[i], y[i])
		}
	}
}

// TestReadyConfigs parses every file of configs, counts its parameters and trains
// two steps on a small grid. Of those without [head] the data decide its units.
func TestReadyConfigs(t *testing.T) {
	parameters := map[string]int{
		"graves2007-mnist": 27_511,
		"graves2008":       159_369,
		"leifert":          134_860,
		"mnist-pixels":     25_067,
		"volume-3d":        124_674,
	}
	digits := digits(t)
	for _, name := range configs.Names() {
		t.Run(name, func(t *testing.T) {
			want, known := parameters[name]
			if !known {
				t.Fatal("its parameters are not in the table")
			}
			t.Chdir(t.TempDir())
			args := []string{"train", "--config", name, "--device", "cpu", "--steps", "2", "--out", "run", "--batch", "1"}
			switch name {
			case "graves2007-mnist", "mnist-pixels":
				args = append(args, "--data", digits)
			case "volume-3d":
				array(t, "X.npy", 2, 2, 3, 2, 1)
				integers(t, "Y.npy", make([]int64, 2*12), 2, 2, 3, 2)
			default:
				array(t, "X.npy", 2, 20, 36, 1)
				integers(t, "Y.npy", []int64{0, 1, 2, 3}, 2, 2)
			}
			if !slices.Contains(args, "--data") {
				args = append(args, "--x", "X.npy", "--y", "Y.npy")
			}
			must(t, args...)
			m, _, err := nn.LoadModel(filepath.Join("run", modelFile))
			if err != nil {
				t.Fatal(err)
			}
			if m.Size() != want {
				t.Errorf("%d parameters, want %d", m.Size(), want)
			}
			text, _ := configs.Read(name)
			if !strings.HasPrefix(string(text), "# ") || !strings.Contains(string(text), "train --config "+name) {
				t.Error("its head does not say what it is and how to use it")
			}
		})
	}
}

func TestConfigWithLayers(t *testing.T) {
	t.Chdir(t.TempDir())
	good := "steps = 2\n\n[[layers]]\ntype = \"mdlstm\"\ncell = \"stable\"\nhidden = 2\ndirections = [\"++\", \"--\"]\n\n[[layers]]\ntype = \"dense\"\nunits = 3\nactivation = \"tanh\"\n\n[head]\nactivation = \"linear\"\n"
	write := func(text string) {
		if err := os.WriteFile("c.toml", []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	must(t, "train", "--config", "c.toml", "--device", "cpu", "--out", "run")
	record, err := train.ReadRecord("run")
	if err != nil || len(record.Settings.Model.Layers) != 2 || record.Settings.Model.Head.Activation != "linear" {
		t.Fatalf("%+v, %v", record.Settings.Model, err)
	}
	// The command line wins.
	must(t, "train", "--config", "c.toml", "--layers", "dense:2", "--device", "cpu", "--out", "short")
	if record, err := train.ReadRecord("short"); err != nil || len(record.Settings.Model.Layers) != 1 {
		t.Errorf("%+v, %v", record.Settings.Model, err)
	}
	// A sum without an axis takes all of them, as --layers "sum" does.
	write("steps = 2\n[[layers]]\ntype = \"dense\"\nunits = 3\nactivation = \"tanh\"\n[[layers]]\ntype = \"sum\"\n")
	array(t, "X.npy", 2, 2, 3, 1)
	array(t, "Y.npy", 2, 1)
	must(t, "train", "--config", "c.toml", "--x", "X.npy", "--y", "Y.npy", "--device", "cpu", "--out", "sums")
	if record, err := train.ReadRecord("sums"); err != nil || len(record.Settings.Model.Layers) != 3 || *record.Settings.Model.Layers[2].Axis != 0 {
		t.Errorf("%+v, %v", record.Settings.Model, err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"hidden = 2", "hiden = 2", `c.toml:6: no key "hiden" in layers: want activation,`},
		{"hidden = 2", "Hidden = 2", `c.toml:6: no key "Hidden" in layers: want activation,`},
		{"hidden = 2", `hidden = "2"`, `c.toml:6: key "hidden": want a whole number`},
		{"hidden = 2", "hidden = 0", "c.toml:6: hidden: got 0"},
		{`cell = "stable"`, `cell = "sable"`, `c.toml:5: cell: got "sable"`},
		{`["++", "--"]`, `["++", "-"]`, `c.toml:7: directions "++,-": want 1, all`},
		{`["++", "--"]`, `[1]`, "c.toml:7: directions [1]: want texts"},
		{`["++", "--"]`, `3`, `c.toml:7: directions 3: want "1", "all"`},
		{"units = 3", "units = -3", "c.toml:11: units: got -3"},
		{"units = 3", "hidden = 3", "c.toml:11: hidden does not belong to a dense layer"},
		{"units = 3", "window = [2.5, 1]", `c.toml:11: key "window": want a list of whole numbers`},
		{`type = "dense"`, `type = "sum"`, "c.toml:"},
		{`type = "mdlstm"`, `type = "lstm"`, `type: got "lstm", want`},
		{"[head]", "[tail]", "c.toml:14: [tail] begins a table: only [[layers]] and [head] do"},
		{`activation = "linear"`, `activation = "softmax"`, "head.activation"},
		{"steps = 2", "layers = \"dense:2\"", "c.toml:"},
		{"steps = 2", "hidden = 3", "leave --hidden out"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if c.old == "steps = 2" && strings.HasPrefix(c.new, "layers") {
			text = c.new + "\n"
		}
		write(text)
		r := do("train", "--config", "c.toml", "--device", "cpu", "--out", "bad")
		if r.code != exitUsage || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: code %d, %q, want %q", c.new, r.code, r.err, c.want)
		}
	}
	if r := do("train", "--config", "graves2009"); r.code != exitFailed || !strings.Contains(r.err, "--config graves2009: file does not exist; ready ones are graves2007-mnist, graves2008") || !strings.Contains(r.err, "did you mean graves2008?") {
		t.Errorf("%+v", r)
	}
	if r := do("train", "--init", filepath.Join("run", modelFile), "--layers", "dense:2"); r.code != exitUsage || !strings.Contains(r.err, "--layers beside --init") {
		t.Errorf("%+v", r)
	}
}
