package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/nn"
)

// FuzzCommandLine runs command lines: choices pick a command, flags and values
// from the program's own tables, words are taken as they are. Whatever they say,
// the exit code is one of the contract's, an error is one line, what was on the
// disk stays, and nothing appears outside the folder; where the command line
// makes no sense, nothing appears at all.
func FuzzCommandLine(f *testing.F) {
	for _, words := range []string{
		"", "--version", "help train", "tran", "train --lr nan", "train --size 3x3 --batch 1 --hidden 2 --steps 1 --out new",
		"train --x x.npy --y y.npy --dry-run", "train --images pictures --masks masks --hidden 1 --dry-run", "train --resume missing",
		"train --config c.toml --dry-run", "predict --model run --in x.npy --out y2.npy", "predict --model run --in pictures --out new",
		"eval --model run", "compare text", "info --model run --size 4x4", "bench --size 3x3 --batch 1 --seconds 0.01",
		"completion fish", "man", "train --generate-bash-completion", "train --x x.npy --y classes.npy --layers dense:2 --dry-run",
	} {
		f.Add([]byte(nil), words)
	}
	for _, choices := range []string{"\x00", "\x00\x01\x02\x03\x04\x05\x06", "\x02abcdefghijk", "\x03\x10\x80\x11\x81", "\x05\x05\x05", "\x04zyx"} {
		f.Add([]byte(choices), "")
	}
	g := newGround(f)
	f.Fuzz(func(t *testing.T, choices []byte, words string) {
		literal := strings.Fields(words)
		if !modest(literal) {
			t.Skip("too much work, or somebody else's files")
		}
		g.try(t, append(compose(choices), literal...))
	})
}

// ground is a folder to run command lines in: some files to name, and two empty
// neighbours that the environment names.
type ground struct {
	outer, dir string
	files      map[string]keptFile // by their paths in dir; folders too
}

type keptFile struct {
	info    fs.FileInfo
	content string // of a file
}

func newGround(f *testing.F) *ground {
	outer := f.TempDir()
	g := &ground{outer: outer, dir: filepath.Join(outer, "inside")}
	for _, dir := range []string{g.dir, filepath.Join(outer, "tmp"), filepath.Join(outer, "home"), filepath.Join(g.dir, "pictures"), filepath.Join(g.dir, "masks")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			f.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(g.dir, name) }
	array(f, in("x.npy"), 3, 4, 4, 1)
	array(f, in("y.npy"), 3, 4, 4, 1)
	array(f, in("wide.npy"), 2, 3, 3, 3, 2)
	integers(f, in("classes.npy"), make([]int64, 48), 3, 4, 4)
	integers(f, in("sizes.npy"), []int64{4, 4, 2, 3, 1, 1}, 3, 2)
	for _, name := range []string{"a.png", "b.png"} {
		pix := make([]float32, 16)
		pix[3] = 1
		if err := imagefile.Write(in("pictures/"+name), &imagefile.Image{Height: 4, Width: 4, Channels: 1, Pix: pix}); err != nil {
			f.Fatal(err)
		}
		if err := imagefile.WriteMask(in("masks/"+name), &imagefile.Mask{Height: 4, Width: 4, Values: append(make([]int32, 15), 1)}); err != nil {
			f.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"text": "this is no model", "c.toml": "lr = 0.1\nhidden = 2\nsize = \"3x3\"\n",
		"layers.toml": "size = \"4x4\"\n[[layers]]\ntype = \"mdlstm\"\ncell = \"stable\"\nhidden = 2\n[[layers]]\ntype = \"dense\"\nunits = 2\nactivation = \"tanh\"\n",
	} {
		if err := os.WriteFile(in(name), []byte(text), 0o666); err != nil {
			f.Fatal(err)
		}
	}
	trained(f, in("run"), nil)
	g.files = g.look(f)
	return g
}

// look lists what is in the folder, and reads it.
func (g *ground) look(t testing.TB) map[string]keptFile {
	list := map[string]keptFile{}
	err := filepath.WalkDir(g.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == g.dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		kept := keptFile{info: info}
		if !e.IsDir() {
			kept.content = read(t, path)
		}
		name, err := filepath.Rel(g.dir, path)
		list[name] = kept
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// most is how long a command line may compute before it is interrupted.
const most = 100 * time.Millisecond

// try runs a command line and looks at what it said and left.
func (g *ground) try(t *testing.T, args []string) {
	t.Setenv("TMPDIR", filepath.Join(g.outer, "tmp"))
	t.Setenv("HOME", filepath.Join(g.outer, "home"))
	t.Chdir(g.dir)
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	r := doContext(ctx, args...)
	wellSaid(t, args, r, ctx.Err() != nil)
	g.unharmed(t, args, r.code)
}

// wellSaid checks the exit code and the texts. Only what was interrupted may say
// so.
func wellSaid(t *testing.T, args []string, r result, interrupted bool) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(r.err, "\n"), "\n")
	last := lines[len(lines)-1]
	isError := strings.HasPrefix(last, program+": ")
	switch {
	case r.code == exitDone && !isError:
	case r.code == exitInterrupted && interrupted && isError:
	case r.code == exitFailed && isError:
	case r.code == exitUsage && isError && strings.HasSuffix(last, " --help)") && r.out == "" && len(lines) == 1:
	default:
		t.Errorf("%q: exit code %d (interrupted: %v), standard error %q, standard output %.200q", args, r.code, interrupted, r.err, r.out)
	}
	for line := range strings.Lines(r.err + r.out) {
		line = strings.TrimSuffix(line, "\n")
		if !utf8.ValidString(line) || strings.ContainsFunc(strings.ReplaceAll(line, "\t", ""), unicode.IsControl) {
			t.Errorf("%q: a line that a terminal would obey: %q", args, line)
		}
	}
	if isError && len(last) > 2*mostLine {
		t.Errorf("%q: an error of %d bytes", args, len(last))
	}
}

// unharmed checks that the files are as they were, takes away what was written,
// and puts back what the command line asked to change.
func (g *ground) unharmed(t *testing.T, args []string, code int) {
	t.Helper()
	asked := false
	for _, arg := range args {
		asked = asked || strings.Contains(arg, "overwrite") || strings.Contains(arg, "resume")
	}
	after := g.look(t)
	for name, was := range g.files {
		is, ok := after[name]
		switch {
		case !ok:
			t.Errorf("%q: %s is gone", args, name)
		case is.content != was.content && !asked:
			t.Errorf("%q: %s changed", args, name)
		case is.content != was.content:
			if err := os.WriteFile(filepath.Join(g.dir, name), []byte(was.content), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name := range after {
		if _, ok := g.files[name]; ok {
			continue
		}
		if code == exitUsage {
			t.Errorf("%q: wrong usage left %s", args, name)
		}
		if err := os.RemoveAll(filepath.Join(g.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, outside := range []struct {
		dir  string
		most int
	}{{g.outer, 3}, {filepath.Join(g.outer, "tmp"), 0}, {filepath.Join(g.outer, "home"), 0}} {
		if entries, err := os.ReadDir(outside.dir); err != nil || len(entries) != outside.most {
			t.Errorf("%q: outside of the folder are now %v (%v)", args, entries, err)
		}
	}
}

// modest refuses words that may name other people's files or hosts, and those
// that ask for honest work of more than a moment. Numbers of eleven digits are
// let through: nothing may try to do what they say.
func modest(words []string) bool {
	for _, word := range words {
		if strings.Contains(word, "..") || strings.Contains(word, "addr") || regexp.MustCompile(`(^|[^\w])[/~]`).MatchString(word) {
			return false
		}
		product := 1.0
		for _, digits := range regexp.MustCompile(`\d+`).FindAllString(word, -1) {
			n, err := strconv.ParseFloat(digits, 64)
			if len(digits) < 11 && err == nil {
				product *= max(n, 1)
			}
		}
		if product > 32 {
			return false
		}
	}
	return true
}

// TestModest feeds it what it must refuse.
func TestModest(t *testing.T) {
	for words, want := range map[string]bool{
		"train --size 3x3 --lr 0.0001": true, "train --batch 99999999999999": true, "predict --in run/model.safetensors": true,
		"train --out ../x": false, "train --out=/x": false, "predict --in ~root": false, "train --size 30x30": false,
		"bench --batch 1000": false, "serve --addr somewhere:80": false,
	} {
		if got := modest(strings.Fields(words)); got != want {
			t.Errorf("%q: %v, want %v", words, got, want)
		}
	}
}

// compose makes a command line of bytes: the first picks the command, then one
// each a flag, and one its value.
func compose(choices []byte) []string {
	if len(choices) == 0 {
		return nil
	}
	commands := newApp(streams{}).Commands
	c := commands[int(choices[0])%len(commands)]
	args := []string{c.Name}
	rest := choices[1:]
	for ; len(rest) >= 2; rest = rest[2:] {
		var names []string
		for _, flag := range c.Flags {
			names = append(names, flag.Names()[0])
		}
		if len(names) == 0 {
			break
		}
		name := names[int(rest[0])%len(names)]
		args = append(args, "--"+name)
		values := likely[name]
		if rest[1] >= 128 || len(values) == 0 {
			values = unlikely
		}
		if value := values[int(rest[1])%len(values)]; !switches[name] || rest[1] >= 192 {
			args = append(args, value)
		}
	}
	if len(rest) == 1 {
		args = append(args, unlikely[int(rest[0])%len(unlikely)])
	}
	return args
}

// switches take no value.
var switches = map[string]bool{
	"anisotropic": true, "shuffle": true, "augment": true, "skip-bad": true, "tensorboard": true, "dry-run": true, "json": true,
	"overwrite": true, "predict": true, "warp": true, "help": true, "recompute": true,
}

// likely values of flags: with them a command line may do something, quickly.
var likely = map[string][]string{
	"task": tasks, "size": {"3x3", "4x4", "5", "3x3x3"}, "batch": {"1", "2"}, "channels": {"1", "3"}, "hidden": {"1", "3"},
	"cell": nn.Cells, "directions": {"1", "all", "++,--", "+"}, "steps": {"1", "3"}, "epochs": {"1", "2"}, "seed": {"1", "2"},
	"out": {"new", "new/er", "x.npy", "run", "y2.npy", "m.png"}, "x": {"x.npy", "wide.npy"}, "y": {"y.npy", "classes.npy"}, "sizes": {"sizes.npy"},
	"model": {"run", "run/model.safetensors", "MD_LSTM", "SNAKE_SD_LSTM", "HORIZONTAL_SD_LSTM"}, "init": {"run", "run/state.safetensors"},
	"in": {"x.npy", "pictures", "pictures/a.png", "wide.npy"}, "images": {"pictures"}, "masks": {"masks"}, "volumes": {"pictures"},
	"classes": {"2", "a,b", "bg=0,road=1"}, "layers": {"mdlstm:stable:2:all sum", "dense:2", "mdlstm:plain:1 dense:2:tanh"},
	"config": {"c.toml", "layers.toml", "graves2008", "text"}, "resume": {"run", "missing"}, "device": {"cpu", "auto"}, "threads": {"1", "2"},
	"loss": {"mse", "cross_entropy", "binary_cross_entropy"}, "window": {"2x2", "1x2"}, "valid": {"0.5", "1"}, "seconds": {"0.01"},
	"optimizer": {"adam", "sgd"}, "schedule": {"step", "cosine"}, "lr-step": {"1", "1,2"}, "warmup": {"1"}, "accumulate": {"2"},
	"flip": {"all", "0"}, "crop": {"2x2"}, "bucket": {"on", "off"}, "class-weights": {"1,2", "balanced"}, "split": {"1/1/1"},
	"tile": {"2x2"}, "overlap": {"0", "2"}, "ignore-index": {"0", "255"}, "dropout": {"0.5"}, "combine": {"mean", "sum"}, "valid-every": {"1"},
	"checkpoint-every": {"1"}, "momentum": {"0.9"}, "clip": {"1"}, "addr": {"127.0.0.1:0"}, "timeout": {"1s"}, "data": {"masks"},
	"valid-x": {"x.npy"}, "valid-y": {"y.npy"}, "overlay": {"over"}, "blas": {"gonum"}, "kernels": {"auto"}, "precision": {"float32", "tf32"}, "patience": {"1"},
}

// unlikely values are no good for most flags; none is a path out of the folder, a
// host, or a size that may be computed.
var unlikely = []string{
	"", "-", "--", "=", "0", "1", "2", "-1", "1.5", "nan", "inf", "1e999", "1e-999", "99999999999999999999", "9223372036854775807", "4294967296", "2147483647",
	"0x8", "8x", "x", "-3x3", "100000x100000", "2x2x2x2x2x2x2x2x2", "ü\u202e", "\x1b[31m", "\xff", strings.Repeat("a", 3000), "run", "x.npy", "text", "missing",
	"missing/new", "all", "on", "balanced", "0.1", "1,2", "a,a", "a=b", "++", "+-+", "0/0/0", "9/9", "1ms", "-5s", "run/log.tsv", "mdlstm:plain:2", "mdlstm:",
	"dense:3 sum", "sum sum sum", "%s%d", "a\nb", "x.npy:x", "z.npz:", "--help", "-h", "--generate-bash-completion",
}
