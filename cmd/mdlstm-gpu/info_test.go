package main

import (
	"encoding/json"
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
)

func TestInfo(t *testing.T) {
	t.Chdir(t.TempDir())
	trained(t, "run", nil)
	for _, c := range []struct {
		args string
		want []string
	}{
		{"info", []string{"cpu ", "blas ", "vector ", "gpu ", "ptx      compute_75", "kernels ", runtime.Version()}},
		{"info --require cpu", []string{"cpu "}},
		{"info --model run", []string{"layers.0.weight_hh", "[1, 2, 15, 3]", "145", "sigmoid", "layernorm, 3 hidden", "bytes a row", "2 samples of 4x4"}},
		{"info --model run --size 5x6 --batch 3 --device cpu", []string{"3 samples of 5x6"}},
		{"version", []string{program + " ", runtime.Version(), "build ", "blas"}},
		{"--version", []string{program + " "}},
	} {
		out := must(t, strings.Fields(c.args)...)
		for _, text := range c.want {
			if !strings.Contains(out, text) {
				t.Errorf("%s: got %q, want %q in it", c.args, out, text)
			}
		}
	}
}

func TestBenchJSON(t *testing.T) {
	out := must(t, "bench", "--json", "--seconds", "0.01", "--size", "4x3", "--batch", "2", "--channels", "2",
		"--hidden", "3", "--cell", "stable", "--directions", "++,--", "--threads", "1", "--blas", "gonum")
	var list []benchResult
	decoder := json.NewDecoder(strings.NewReader(out))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 {
		t.Fatalf("got %d objects, want 1", len(list))
	}
	r := list[0]
	if !(r.StepMinMS > 0 && r.StepMinMS <= r.StepMS && r.StepMS <= r.StepMaxMS) || r.StepRepeats < minRepeats {
		t.Errorf("step: got %+v", r)
	}
	if !(r.ForwardMinMS > 0 && r.ForwardMinMS <= r.ForwardMS && r.ForwardMS <= r.ForwardMaxMS) || r.Repeats < minRepeats {
		t.Errorf("forward: got %+v", r)
	}
	if s := r.Settings; s.Cell != "stable" || len(s.Directions) != 2 || s.Hidden != 3 || s.Channels != 2 || s.Batch != 2 || r.Threads != 1 || r.Kernels["blas"] != "gonum" {
		t.Errorf("settings: got %+v", r)
	}
	for _, key := range []string{`"step_ms"`, `"forward_ms"`, `"settings"`, `"kernels"`} {
		if !strings.Contains(out, key) {
			t.Errorf("got %s, want the key %s", out, key)
		}
	}
}

func TestBenchText(t *testing.T) {
	out := must(t, "bench", "--seconds", "0.01", "--size", "4x3", "--batch", "2", "--hidden", "3")
	for _, text := range []string{"layernorm, 3 hidden, 1 direction", "step ", "forward ", "repetitions"} {
		if !strings.Contains(out, text) {
			t.Errorf("got %q, want %q in it", out, text)
		}
	}
}

func TestCheckPasses(t *testing.T) {
	out := must(t, "check")
	for _, cell := range nn.Cells {
		if got := strings.Count(out, "\n"+cell+" "); got != 4 {
			t.Errorf("%s: got %d rows, want 4 numbers of axes", cell, got)
		}
	}
}

// wrongEngine adds to the gradient of one value.
type wrongEngine struct {
	engine.Engine
	add float32
}

func (w wrongEngine) Gradients(dst []float32) error {
	err := w.Engine.Gradients(dst)
	dst[len(dst)-1] += w.add
	return err
}

// TestCheckFails: an engine with a wrong gradient is found out.
func TestCheckFails(t *testing.T) {
	var out strings.Builder
	err := runCheck(t.Context(), []subject{{open: func(m *nn.Model) (engine.Engine, error) {
		e, err := cpu.New(m, cpu.Options{})
		return wrongEngine{e, 1e-3}, err
	}}}, streams{&out, &out})
	if exitCode(err) != exitFailed || !strings.Contains(oneLine(err), "head.bias") || !strings.Contains(out.String(), "too large") {
		t.Errorf("got error %v and %q, want a failure in head.bias", err, out.String())
	}
	broken := errors.New("broken")
	err = runCheck(t.Context(), []subject{{open: func(*nn.Model) (engine.Engine, error) { return nil, broken }}}, streams{&out, &out})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// TestCompletion asks the shells that are here.
func TestCompletion(t *testing.T) {
	t.Run("lists", func(t *testing.T) {
		if got := must(t, "--generate-bash-completion"); !strings.HasPrefix(got, "train\ncompare\n") || !strings.Contains(got, "--version") {
			t.Errorf("got %q, want all commands", got)
		}
		if got := must(t, "train", "--generate-bash-completion"); !strings.Contains(got, "--size\n") || !strings.Contains(got, "--model_type\n") {
			t.Errorf("got %q, want train's flags", got)
		}
	})
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			script := must(t, "completion", shell)
			if !strings.Contains(script, program) {
				t.Fatalf("got %q", script)
			}
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("no %s here", shell)
			}
			c := exec.Command(path, "-n")
			c.Stdin = strings.NewReader(script)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	t.Run("bash completes", func(t *testing.T) {
		path, err := exec.LookPath("bash")
		if err != nil {
			t.Skip("no bash here")
		}
		script := must(t, "completion", "bash") + `
complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mdlstm_gpu; echo "${COMPREPLY[*]}"; }
complete_words "$PROGRAM" tra
complete_words "$PROGRAM" train --ste
complete_words "$PROGRAM" train --
complete_words "$PROGRAM" train --out dir
`
		c := process(t.TempDir())
		c.Env = append(c.Env, "PROGRAM="+c.Path)
		c.Path, c.Args = path, []string{"bash", "-c", script}
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(out), "\n")
		if lines[0] != "train" || lines[1] != "--steps" || !strings.Contains(lines[2], "--size --batch") || lines[3] != "" {
			t.Errorf("got %q", lines)
		}
		if left := files(t, c.Dir); len(left) > 0 {
			t.Errorf("completing made %q", left)
		}
	})
}
