package main

import (
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/npy"
)

// TestBadInput runs command lines that must be refused: with the right code, one
// line that names what is at fault, nothing on the standard output, and nothing
// changed on the disk.
func TestBadInput(t *testing.T) {
	t.Chdir(t.TempDir())
	array(t, "x.npy", 3, 4, 4, 1)
	array(t, "y.npy", 3, 4, 4, 1)
	array(t, "y5.npy", 3, 5, 5, 1)
	array(t, "two.npy", 3, 4, 4, 2)
	array(t, "flat.npy", 3, 4)
	array(t, "sizes.npy", 3, 2)
	integers(t, "beyond.npy", []int64{4, 4, 4, 5, 1, 1}, 3, 2)
	integers(t, "classes.npy", make([]int64, 48), 3, 4, 4)
	trained(t, "run", nil)
	trained(t, "fields", func(o *trainOptions) { o.Task = taskFields })
	trained(t, "lines", func(o *trainOptions) { o.Task, o.X, o.Y = taskArrays, "x.npy", "y.npy" })
	trained(t, "twos", func(o *trainOptions) { o.Task, o.X, o.Y = taskArrays, "x.npy", "two.npy" })
	if err := npy.Write("nan.npy", []int{1, 3, 3, 1}, []float32{0, 0, 0, 0, float32(math.NaN()), 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("two.safetensors", read(t, "twos", modelFile))
	write("text", "this is no model")
	write("cut.safetensors", read(t, "run", modelFile)[:200])
	write("unknown.toml", "lr = 0.1\n\nhiden = 3\n")
	write("table.toml", "[train]\nlr = 0.1\n")
	write("lr.toml", "hidden = 3\n[lr]\nrate = 0.1\n")
	write("underscore.toml", "clip_error = 1\n")
	write("letters.toml", "lr = 0.1\n scHedule = \"cosine\"\n")
	write("quoted.toml", "lr = 0.1\n\"Lr-end\" = 0.1\n")
	write("m.json", "  {\"view\": \"grid\"}\n")
	write("type.toml", "lr = 0.1\nhidden = \"many\"\n")
	write("syntax.toml", "lr = = 1\n")
	write("nan.toml", "lr = nan\n")
	write("flag.toml", "lr = 0.1\nresume = \"run\"\n")
	write("long.toml", strings.Repeat("# as long as /dev/zero\n", 1<<16))
	before := tree(t)

	const usage, failed = exitUsage, exitFailed
	for _, c := range []struct {
		args     string
		code     int
		fragment string
	}{
		// The command line itself.
		{"tran", usage, `no command "tran"; did you mean train?`},
		{"--verison", usage, "no flag --verison; did you mean --version?"},
		{"help tran", usage, "did you mean train?"},
		{"train --stpes 5", usage, "no flag --stpes; did you mean --steps?"},
		{"train --lr", usage, "--lr needs a value"},
		{"train --out=", usage, "--out is empty"},
		{"train steps=5", usage, `write --steps=5`},
		{"train foo --steps 5", usage, `argument "foo"`},
		{"train --dry-run=5", usage, "--dry-run"},
		{"train --model MD_LSTM --model_type MD_LSTM", usage, "are the same flag"},
		{"compare run --steps 5", usage, "flag --steps stands behind the argument"},
		{"version now", usage, "the command takes none"},
		{"completion", usage, "want one shell"},
		{"completion fihs", usage, "did you mean fish?"},

		// Numbers.
		{"train --lr nan", usage, "--lr"},
		{"train --lr inf", usage, "--lr"},
		{"train --lr 0", usage, "--lr 0: must be a positive number"},
		{"train --lr -1", usage, "--lr -1"},
		{"train --lr 1e999", usage, "--lr"},
		{"train --lr 1e-999", usage, "--lr 0"},
		{"train --lr 0.1x", usage, `--lr "0.1x": want a number`},
		{"train --batch 0", usage, "--batch 0: must be at least 1 sample"},
		{"train --batch -1", usage, "--batch -1"},
		{"train --batch 1.5", usage, `--batch "1.5": want a whole number`},
		{"train --batch 99999999999999999999", usage, "--batch"},
		{"train --steps 0", usage, "--steps 0"},
		{"train --steps -3", usage, "--steps -3"},
		{"train --hidden 0", usage, "--hidden 0: must be at least 1 unit"},
		{"train --hidden 2000000", usage, "parameters"},
		{"train --channels 0", usage, "--channels 0"},
		{"train --seed -1", usage, `--seed "-1": want a whole number, 0 or more`},
		{"train --momentum 0.9", usage, "only sgd uses it"},
		{"train --optimizer sgd --momentum 1", usage, "--momentum 1"},
		{"train --clip -1", usage, "--clip -1"},
		{"train --clip-error -1", usage, "--clip-error -1"},
		{"train --forget-bias 1e300", usage, "--forget-bias 1e+300"},
		{"train --checkpoint-every -1", usage, "--checkpoint-every -1"},
		{"train --threads -1", usage, "--threads -1"},
		{"train --threads 100000", usage, "--threads 100000"},

		// Sizes.
		{"train --size 0x8", usage, "--size"},
		{"train --size 8x", usage, "--size"},
		{"train --size -8x8", usage, "--size"},
		{"train --size 2x2", usage, "set a larger --size"},
		{"train --size 8", usage, "want at least 2"},
		{"train --size 4x4x4x4x4x4x4x4x4", usage, "at most 8"},
		{"train --size 100000x100000", usage, "--size"},
		{"train --size 20000x20000", usage, "--size"},
		{"train --size 10000x10000 --dry-run --device cpu", failed, "out of memory"},
		{"bench --size 10000x10000 --device cpu", failed, "out of memory"},
		{"bench --size 3y3", usage, "--size"},
		{"bench --seconds 0", usage, "--seconds 0"},
		{"bench --profile --device cpu", usage, "--profile: it times the kernels of a GPU: device cpu was asked for"},
		{"bench --batch 0", usage, "--batch 0"},

		// Names.
		{"train --task diagnal", usage, "did you mean diagonal?"},
		{"train --task mnist", usage, "--task mnist needs --data DIR"},
		{"train --task images", usage, "--task images needs --images DIR"},
		{"train --task volumes --images .", usage, "--images goes with --task images"},
		{"train --images .", usage, "--images needs --masks DIR"},
		{"train --images . --masks . --valid-images .", usage, "--valid-images and --valid-masks go together"},
		{"train --images . --masks .", failed, "--images: load .: no picture in the folder"},
		{"train --volumes . --masks absent", failed, "--masks: load absent: no such file"},
		{"train --images . --masks . --classes 1", usage, "--classes 1 classes, want 2 to"},
		{"train --images . --masks . --classes a,a", usage, "the class \"a\" comes twice"},
		{"train --images . --masks . --crop 64", usage, "--crop 64: images have 2 axes: give a length for each, such as 64x64"},
		{"train --images . --masks . --crop 0x4", usage, "--crop: bad shape"},
		{"train --images . --masks . --flip up", usage, `--flip "up": want all, or axes`},
		{"train --images . --masks . --flip 2", usage, `--flip "2": want all, or axes of 0 to 1`},
		{"train --images . --masks . --flip 0,0", usage, `--flip "0,0": want all`},
		{"train --volumes . --masks . --crop 4x4", usage, "--crop 4x4: volumes have 3 axes: give a length for each, such as 64x64x64"},
		{"train --images . --masks . --bucket yes", usage, `--bucket "yes": want on, off`},
		{"train --images . --masks . --channels 2", usage, "--channels 2: pictures have 1 (grey) or 3 (RGB)"},
		{"train --x x.npy --y y.npy --bucket on", usage, "--bucket on goes with --shuffle and --sizes"},
		{"train --masks .", usage, "--masks goes with --task images or volumes"},
		{"compare --task images", usage, "compare trains on generated tasks"},
		{"train --model SNAKE", usage, "did you mean SNAKE_SD_LSTM?"},
		{"train --cell layer_norm", usage, "did you mean layernorm?"},
		{"train --optimizer adamw", usage, "did you mean adam?"},
		{"train --directions +", usage, "for each of 2 axes"},
		{"train --directions ++,++", usage, "given twice"},
		{"train --directions all --directions both", usage, `--directions "both"`},
		{"train --model SNAKE_SD_LSTM --directions ++", usage, "for each of 1 axis"},
		{"train --device tpu", usage, "--device"},
		{"train --device gpu", failed, "--device gpu: no usable CUDA device: "},
		{"train --kernels fast", usage, "want auto, wavefront, sweep, cluster"},
		{"train --kernels sweep --device cpu", usage, "--kernels sweep: it goes with a GPU, and device cpu was asked for"},
		{"train --precision tf32 --device cpu", usage, "--precision tf32: device cpu computes in float32: ask for device gpu, or for float32"},
		{"train --precision double", usage, "--precision"},
		{"bench --device gpu", failed, "no usable CUDA device"},
		{"bench --profile", failed, "--profile: it times the kernels of a GPU: no usable CUDA device"},
		{"check --device gpu", failed, "no usable CUDA device"},
		{"train --blas mkl", usage, "want auto, builtin, gonum, openblas"},

		// Flags that do not go together.
		{"train --epochs 3", usage, "--epochs goes with data that end"},
		{"train --anisotropic", usage, "--anisotropic goes with --task fields"},
		{"train --y y.npy", usage, "--y goes with --task arrays"},
		{"train --x x.npy", usage, "needs --y"},
		{"train --task arrays", usage, "needs --x"},
		{"train --x x.npy --y y.npy --size 4x4", usage, "--size goes with"},
		{"train --x x.npy --y y.npy --loss ctc", usage, "--loss"},
		{"train --x x.npy --y y.npy --epochs 0", usage, "--epochs 0"},
		{"train --x x.npy --y y.npy --epochs 9 --steps 9", usage, "give one"},
		{"train --x x.npy --y y.npy --epochs 9000000000000000000", usage, "--epochs"},
		{"train --init run --hidden 3", usage, "--hidden beside --init"},
		{"train --init run --cell plain", usage, "--cell beside --init"},
		{"train --resume run --lr 0.1", usage, "--lr beside --resume"},
		{"train --resume run --out other", usage, "--out beside --resume"},
		{"train --resume run --steps 2", usage, "--steps 2: must be at least 6"},
		{"compare --cell plain", usage, "no flag --cell"},
		{"compare --task arrays", usage, "--task arrays"},
		{"compare run --out c", usage, `flag --out stands behind the argument "run": flags go first, as in mdlstm-gpu compare --out … [RUN …]`},
		{"compare --steps 3 run run", usage, "--steps beside runs"},

		// Files and folders.
		{"train --x nope.npy --y y.npy", failed, "nope.npy"},
		{"train --x x.npy --y y5.npy", failed, "y5.npy: shape [3 5 5 1]"},
		{"train --x flat.npy --y y.npy", failed, "flat.npy: shape [3 4]"},
		{"train --x text --y y.npy", failed, "text: begins with"},
		{"train --x x.npy --y y.npy --sizes x.npy", failed, "x.npy"},
		{"train --out run", failed, "continue it with --resume run"},
		{"train --out text", failed, "it is a file"},
		{"train --out no/where", failed, "does not exist"},
		{"train --resume nope", failed, "--resume nope: file does not exist: give the folder of a run"},
		{"train --resume .", failed, "no run"},
		{"train --resume text", failed, "--resume text"},
		{"train --init nope", failed, "nope"},
		{"train --init text", failed, "text"},
		{"train --init m.json", failed, "--init m.json: it is JSON: --init takes a model.safetensors, such as a training leaves in its run folder"},
		{"train --init cut.safetensors", failed, "cut.safetensors"},
		{"train --init run --size 4x4x4", failed, "axes"},
		{"train --init run --channels 2", failed, "2 channels"},
		{"train --config nope.toml", failed, "nope.toml"},
		{"train --config unknown.toml", usage, `unknown.toml:3: no key "hiden"; did you mean hidden?`},
		{"train --config table.toml", usage, "table.toml:1: [train] begins a table: only [[layers]] and [head] do: write the keys at the top level"},
		{"train --config lr.toml", usage, "lr.toml:2: [lr] begins a table: no tables: write lr = VALUE at the top level"},
		{"train --config underscore.toml", usage, `underscore.toml:1: no key "clip_error"; did you mean clip-error?`},
		{"train --config letters.toml", usage, `letters.toml:2: no key "scHedule"; did you mean schedule?`},
		{"train --config quoted.toml", usage, `quoted.toml: no key "Lr-end"; did you mean lr-end?`},
		{"train --config type.toml", usage, `type.toml:2: key "hidden": want a whole number`},
		{"train --config syntax.toml", usage, "syntax.toml:1"},
		{"train --config nan.toml", usage, "--lr NaN"},
		{"train --config flag.toml", usage, `flag.toml:2: key "resume": only the command line takes it, as --resume`},
		{"train --config long.toml", failed, "long.toml: more than 64 KiB: want a file of settings"},
		{"train --resume run --steps 99999999999999999", usage, "--steps 99999999999999999: want 1 to 1099511627776"},
		{"compare --device cpu nope", failed, "nope"},
		{"compare --device cpu --out run --steps 2", failed, "--out run"},
		{"predict", usage, "--model is missing"},
		{"predict --model run --in x.npy", usage, "--out is missing"},
		{"predict --model run --in x.npy --out new.npy --temp no", failed, "--temp no: no such folder"},
		{"predict --model run --in x.npy --out y.npy", failed, "--out y.npy: it exists"},
		{"predict --model run --in x.npy --out run", failed, "it is a folder"},
		{"predict --model run --in x.npy --out /dev/null --overwrite", failed, "not a regular file"},
		{"predict --model run --in x.npy --out no/where.npy", failed, "--out no/where.npy"},
		{"predict --model run --in x.npy --out o.npy --batch 0", usage, "--batch 0"},
		{"predict --model nope --in x.npy --out o.npy", failed, "nope"},
		{"predict --model text --in x.npy --out o.npy", failed, "text"},
		{"predict --model run --in nope.npy --out o.npy", failed, "nope.npy"},
		{"predict --model run --in nan.npy --out o.npy", failed, "nan.npy: sample 0, cell [1 1], channel 0 is NaN"},
		{"train --x nan.npy --y nan.npy", failed, "nan.npy: sample 0, cell [1 1]"},
		{"predict --model run --in two.npy --out o.npy", failed, "two.npy: shape [3 4 4 2] has 2 channels, the model wants 1: give an array [samples, grid …, 1] for this model"},
		{"eval --model two.safetensors", failed, "--model two.safetensors: it does not fit the task diagonal, which is measured without --task: give --x and --y"},
		{"eval --model lines", usage, "--model lines: it was trained on arrays: give --x and --y"},
		{"predict --model run --in x.npy --sizes sizes.npy --out o.npy", failed, "sizes.npy"},
		{"predict --model run --in x.npy --sizes beyond.npy --out o.npy", failed, "beyond.npy: sample 1 has the size 5 on axis 1"},
		{"eval --model run --x x.npy --y classes.npy", failed, "classes.npy"},
		{"eval", usage, "--model is missing"},
		{"eval --model run --steps 0", usage, "--steps 0"},
		{"eval --model run --x x.npy", usage, "needs --y"},
		{"eval --model run --x x.npy --y y.npy --steps 3", usage, "--steps"},
		{"eval --model run --x x.npy --y y5.npy", failed, "y5.npy"},
		{"info --require gpu", failed, "--require gpu: no usable CUDA device"},
		{"info --require tpu", usage, "--require"},
		{"info --model nope", failed, "nope"},
		{"info --size 8x8", usage, "--size goes with --model"},
		{"info --model run --size 8x8x8", usage, "--size 8x8x8: the model takes 2 axes: give a length for each"},
		{"info --model run --size 8xx", usage, "--size"},
		{"info --model run --batch 0", usage, "--batch 0"},
	} {
		t.Run(c.args, func(t *testing.T) {
			r := do(strings.Fields(c.args)...)
			refused(t, r, c.code, c.fragment)
			if r.out != "" && !strings.HasPrefix(c.args, "info --require gpu") {
				t.Errorf("standard output %q, want nothing", r.out)
			}
			if strings.Count(r.err, "\n") != 1 {
				t.Errorf("got %q, want one line", r.err)
			}
		})
	}
	if after := tree(t); !slices.Equal(after, before) {
		t.Errorf("files changed: got %q, want %q", after, before)
	}
}

// tree lists all files below the working folder with the hashes of what they
// hold.
func tree(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all = append(all, fmt.Sprintf("%s %x", path, sha256.Sum256([]byte(read(t, path)))))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
