package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mdlstm-gpu/configs"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/hostile"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// FuzzConfig: a file for --config is wrong usage in one line that names it, or
// settings that are all known; of both its model is one, or wrong usage too.
func FuzzConfig(f *testing.F) {
	for _, name := range configs.Names() {
		data, _ := configs.Read(name)
		f.Add(data)
	}
	for _, text := range []string{"", "lr = 1e-3\nsteps = 9\n", "layers = 1", "[[layers]]\ntype = \"sum\"\n", "[head]\nunits = 2\n", "a.b.c = [[[[1]]]]", "lr = 1\nlr = 2", "[lr]\n", "lr = \"\x00\"", "window = \"2x2\"\ncell = \"stable\"\ndirections = \"all\""} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "c.toml")
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxConfig {
			t.Skip("too long")
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		o := defaultTrain()
		options := o.options()
		var set given
		var text []byte
		var err error
		hostile.Allocates(t, 4<<20+4096*int64(len(data)), func() { set, text, err = readConfig(path, &o, options) })
		if err != nil {
			wrongUsage(t, err, path)
			return
		}
		for key := range set {
			if !slices.Contains(optionNames(options), key) && tableKeys[key] == nil {
				t.Errorf("the unknown key %q is taken", key)
			}
		}
		o.configPath, o.configData = path, text
		c, err := o.modelOptions.config(task.Spec{Axes: 2, Input: 1, Units: 1, Activation: nn.Linear, Loss: nn.MSE})
		switch {
		case err != nil && o.Stack != nil:
			wrongUsage(t, err, "") // what is wrong with the whole names no line
		case err != nil:
			wrongUsage(t, err, "--")
		default:
			if _, err := nn.New(c); err != nil {
				hostile.OneLine(t, err, "")
			}
		}
	})
}

// wrongUsage wants a usage error of one line.
func wrongUsage(t *testing.T, err error, prefix string) {
	t.Helper()
	hostile.OneLine(t, err, prefix)
	if exitCode(err) != exitUsage {
		t.Errorf("%v: exit code %d, want %d", err, exitCode(err), exitUsage)
	}
}

// FuzzLayers: --layers is wrong usage in one line, or layers of a model that is
// the same after it was written and read.
func FuzzLayers(f *testing.F) {
	for _, text := range []string{
		"mdlstm:stable:8:all:window=2x2 dense:16 mdlstm:stable:32:all sum", "sum:1 sum:0", "dense:2:tanh:bias=false", "mdlstm:plain:3:++,--:combine=mean:dropout=0.5",
		"mdlstm:graves:1:forget_bias=1:clip_error=2", "sum:axis=-1", "mdlstm:::", "dense:99999999999", "dense:2:dense", "mdlstm:plain:2147483647", " ",
	} {
		f.Add(text, 2)
	}
	f.Fuzz(func(t *testing.T, text string, axes int) {
		if axes < 1 || axes > grid.MaxAxes || len(text) > 4096 {
			t.Skip("no grid, or too long to be typed")
		}
		// A direction of 8 axes, and there are 256 of them, takes 4 bytes: "all:".
		hostile.Allocates(t, 4<<20+64<<10*int64(len(text)), func() {
			stack, err := parseLayers(text)
			if err != nil {
				wrongUsage(t, err, "--layers")
				return
			}
			where := modelOptions{Layers: text}.inText
			list, from, err := layers(stack, axes, where)
			if err != nil {
				wrongUsage(t, err, "--layers, item ")
				return
			}
			m, err := nn.New(nn.Config{Input: 1, Layers: list, Head: nn.Head{Units: 1, Activation: nn.Linear}, Loss: nn.MSE})
			if err != nil {
				wrongUsage(t, stackError(err, from, where), "")
				return
			}
			data, err := m.Config.JSON()
			if err != nil {
				t.Fatal(err)
			}
			again, err := nn.ParseConfig(data)
			if err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			if d := cmp.Diff(m.Config, again); d != "" {
				t.Errorf("%q: -written +read\n%s", text, d)
			}
		})
	})
}

// FuzzFlagValues feeds one text to every reader of a flag's value here: it is
// refused in one line that names the flag, or means what it means when it is
// written and read again.
func FuzzFlagValues(f *testing.F) {
	for _, text := range []string{"", "1", "-1", "all", "++", "+-,-+", "0,1", "1,0.5", "nan", "1e999", "0x1p-2", "1_000", "2ms", "9223372036854775808", "-2562047h47m16.854775808s", "100,150", "0.5", strings.Repeat("a", 100)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, fresh := range []func() any{
			func() any { return new(string) }, func() any { return new(int) }, func() any { return new(*int) }, func() any { return new(int64) },
			func() any { return new(uint64) }, func() any { return new(float64) }, func() any { return new(*float64) }, func() any { return new(time.Duration) },
		} {
			first, second := option{name: "flag", dest: fresh()}, option{name: "flag", dest: fresh()}
			if err := first.parse(text); err != nil {
				wrongUsage(t, err, "--flag ")
			} else if err := second.parse(written(first.dest)); err != nil || written(first.dest) != written(second.dest) {
				t.Errorf("%T: %q is %s, and then %s (%v)", first.dest, text, written(first.dest), written(second.dest), err)
			}
		}
		for axes := 1; axes <= 3; axes++ {
			list, err := directions("--directions", text, axes)
			if err != nil {
				wrongUsage(t, err, "--directions ")
			}
			for i, signs := range list {
				if _, err := grid.ParseDirection(signs, axes); err != nil || slices.Contains(list[:i], signs) {
					t.Errorf("%q on %d axes: direction %q: %v, or twice", text, axes, signs, err)
				}
			}
			flip, err := parseFlip(text, axes)
			if err != nil {
				wrongUsage(t, err, "--flip ")
			}
			for i, axis := range flip {
				if axis < 0 || axis >= axes || slices.Contains(flip[:i], axis) {
					t.Errorf("%q on %d axes: flips %v", text, axes, flip)
				}
			}
			weights, err := parseWeights(text, axes)
			if err != nil {
				wrongUsage(t, err, "--class-weights ")
			} else if len(weights) != axes || slices.Min(weights) < 0 || slices.ContainsFunc(weights, func(w float64) bool { return w-w != 0 }) {
				t.Errorf("%q for %d classes: weights %v", text, axes, weights)
			}
		}
		every, at, err := train.ParseLRStep(text)
		if err != nil {
			wrongUsage(t, asUsage(err, "train"), "--lr-step ")
		} else if every < 0 || (every > 0) == (len(at) > 1) || slices.ContainsFunc(at, func(n int64) bool { return n < 1 }) {
			t.Errorf("%q: every %d, at %v", text, every, at)
		}
		isPart(text)
		hostile.Allocates(t, 1<<20, func() { didYouMean(text, optionNames((&trainOptions{}).options()), "--") })
	})
}

// written is the value behind an option's dest as a user would write it.
func written(dest any) string {
	v := reflect.ValueOf(dest).Elem()
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return fmt.Sprint(v.Interface())
}

// FuzzRunSettings: the settings in a run's config.json, which may come from
// anybody, are refused in one line, or describe data; what is shown of them to be
// typed is safe to be pasted into a shell.
func FuzzRunSettings(f *testing.F) {
	s := train.DefaultSettings()
	s.Name, s.Task = modelMD, taskDiagonal
	s.Model = nn.Config{Input: 1, Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 1, Directions: []string{"++"}}}, Head: nn.Head{Units: 1, Activation: nn.Linear}, Loss: nn.MSE}
	for _, data := range []map[string]string{
		{"size": "4x4", "batch": "2", "channels": "3", "seed": "1"}, {"size": "4x4; rm -rf .", "channels": "$(reboot)"},
		{"images": "a b", "masks": "'", "classes": "bg,road", "ignore-index": "255", "valid": "0.1", "bucket": "true"}, {"x": "/x.npy", "y": "y.npy", "sizes": "s", "shuffle": "maybe"},
	} {
		for _, name := range []string{taskDiagonal, taskImages, taskArrays} {
			s.Task, s.Data = name, data
			text, err := json.Marshal(s)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := train.ParseSettings(data)
		if err != nil {
			return // FuzzParseSettings looks at these
		}
		if _, err := dataOfRun(s); err != nil {
			hostile.OneLine(t, err, "")
		}
		settingsTable(s)
		for _, c := range nextCommands("run", s, longerFlags(s, 0, false)) {
			if !pasteable(c.Line) {
				t.Errorf("a shell would do more than run the program: %q", c.Line)
			}
		}
	})
}

var (
	quoted = regexp.MustCompile(`'[^']*'|\\'`)
	plain  = regexp.MustCompile(`^` + program + ` [\w./+=:,@% -]*$`)
)

// pasteable says whether a line is the program with words, for any shell.
func pasteable(line string) bool { return plain.MatchString(quoted.ReplaceAllString(line, "")) }

func TestPasteable(t *testing.T) {
	for line, want := range map[string]bool{
		program + " eval --model run --size 3x3": true, program + " eval --in 'a b; c'": true, program + ` eval --in 'it'\''s'`: true,
		program + " eval; ls": false, program + " $(ls)": false, program + " 'a": false, program + " a\nls": false, "ls": false,
		program + ` 'a'\'';ls`: false, fmt.Sprint(program, " `ls`"): false,
	} {
		if got := pasteable(line); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}
