//go:build cuda && cgo && linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mdlstm-gpu/host/compute"
	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/train"
)

// onGPU runs a command line in a process of its own, with further variables in
// its environment.
func onGPU(env []string, args ...string) result {
	c := process(".", args...)
	c.Env = append(c.Env, env...)
	var out, errOut strings.Builder
	c.Stdout, c.Stderr = &out, &errOut
	err := c.Run()
	if c.ProcessState == nil {
		return result{-1, "", err.Error()}
	}
	return result{c.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// works is onGPU for what has to succeed; it returns the standard output.
func works(t *testing.T, args ...string) string {
	t.Helper()
	r := onGPU(nil, args...)
	if r.code != exitDone {
		t.Fatalf("%s: exit code %d: %s", strings.Join(args, " "), r.code, r.err)
	}
	return r.out
}

// device is the GPU that the tests use. Without one they are skipped; with
// MDLSTM_REQUIRE_GPU=1 they fail.
func device(t *testing.T) *cuda.Device {
	t.Helper()
	d, err := cuda.FirstUsable()
	if err != nil && os.Getenv("MDLSTM_REQUIRE_GPU") == "1" {
		t.Fatalf("MDLSTM_REQUIRE_GPU=1: %v", err)
	}
	if err != nil {
		t.Skipf("no GPU: %v (make test-emu runs this test on the emulator)", err)
	}
	return d
}

// emulator skips a test that needs faults on demand.
func emulator(t *testing.T) {
	t.Helper()
	if !device(t).Emulated {
		t.Skip("a real GPU does not fail on demand")
	}
}

// TestGPURefused: what cannot be computed on the GPU is refused with one line,
// and leaves nothing behind. --device gpu never becomes the CPU.
func TestGPURefused(t *testing.T) {
	emulator(t)
	model := t.TempDir()
	t.Chdir(model)
	trained(t, "run", nil)
	model = filepath.Join(model, "run")
	t.Chdir(t.TempDir())
	small := quick("--device", "gpu", "--out", "run")
	for _, c := range []struct {
		name, env string
		args      []string
		fragment  string
	}{
		{"old driver", "MDLSTM_EMU_DRIVER=11080", small, "the NVIDIA driver knows CUDA 11.8, the kernels need driver R525 (CUDA 12.0) or newer"},
		{"no device", "MDLSTM_EMU_DEVICES=0", small, "the NVIDIA driver finds no GPU"},
		{"old device", "MDLSTM_EMU_ARCH=70", small, "has compute capability 7.0: want 7.5 or newer"},
		{"no file", "MDLSTM_CUDA_LIBRARY=nowhere.so", small, "nowhere.so: cannot open"},
		{"no CUDA library", "MDLSTM_CUDA_LIBRARY=libc.so.6", small, "libc.so.6 is not a CUDA driver library"},
		{"no CUDA library, auto", "MDLSTM_CUDA_LIBRARY=libc.so.6", quick("--out", "run"), "libc.so.6 is not a CUDA driver library"},
		{"memory of the parameters", "MDLSTM_EMU_MEMORY=1000", small, "out of memory: the model's parameters"},
		{"memory of a batch", "MDLSTM_EMU_MEMORY=1000000", []string{"train", "--size", "64x64", "--batch", "64", "--device", "gpu", "--out", "run"},
			"out of memory: batch 64 of 64x64 needs "},
		{"memory refused by the driver", "MDLSTM_EMU_FAIL=cuMemAlloc:2=2", small, "out of memory"},
		{"a kernel that does not compile", "MDLSTM_EMU_FAIL=cuModuleLoadDataEx=218", small, "CUDA_ERROR_INVALID_PTX"},
		{"PTX that the driver does not know", "MDLSTM_EMU_FAIL=cuModuleLoadDataEx=222", small, "R525 (CUDA 12.0)"},
		{"info", "MDLSTM_EMU_DEVICES=0", []string{"info", "--require", "gpu"}, "--require gpu: no usable CUDA device"},
		{"info of a batch beyond memory", "MDLSTM_EMU_MEMORY=1000000",
			[]string{"info", "--model", model, "--size", "64x64", "--batch", "64", "--device", "gpu"}, "out of memory: batch 64 of 64x64 needs "},
		{"bench", "MDLSTM_EMU_DEVICES=0", []string{"bench", "--device", "gpu"}, "--device gpu: no usable CUDA device"},
		{"check", "MDLSTM_EMU_DEVICES=0", []string{"check", "--device", "gpu"}, "--device gpu: no usable CUDA device"},
		{"tensor cores", "MDLSTM_EMU_ARCH=75", append([]string{"train", "--precision", "tf32"}, small[1:]...),
			"--precision tf32: the GPU has compute capability 7.5, and TF32 tensor cores are in 8.0 and newer: use float32"},
		{"bfloat16", "MDLSTM_EMU_ARCH=75", append([]string{"train", "--precision", "bf16"}, small[1:]...), "--precision bf16: the GPU has compute capability 7.5"},
		{"compare", "MDLSTM_EMU_DEVICES=0", []string{"compare", "--device", "gpu", "--out", "run"}, "--device gpu: no usable CUDA device"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, onGPU([]string{c.env}, c.args...), exitFailed, c.fragment)
			if left := files(t, "."); len(left) > 0 {
				t.Errorf("files are left: %q", left)
			}
		})
	}
	t.Run("no driver", func(t *testing.T) {
		if _, err := cuda.Devices(); err != nil || len(strings.TrimSpace(os.Getenv("MDLSTM_CUDA_LIBRARY"))) == 0 {
			t.Skip("it needs a machine without a driver")
		}
		r := onGPU([]string{"MDLSTM_CUDA_LIBRARY="}, small...)
		if r.code == exitDone {
			t.Skip("this machine has a driver and a GPU")
		}
		refused(t, r, exitFailed, "install driver R525 (CUDA 12.0) or newer")
	})
}

// TestGPUAuto: auto takes the CPU where there is no real GPU, and says why.
func TestGPUAuto(t *testing.T) {
	emulator(t)
	t.Chdir(t.TempDir())
	for _, c := range []struct{ name, env, why string }{
		{"emulator", "A=", "the only GPU is emulated, and taken only when device gpu is asked for"},
		{"no device", "MDLSTM_EMU_DEVICES=0", "finds no GPU"},
		{"old driver", "MDLSTM_EMU_DRIVER=11080", "the kernels need driver R525"},
		{"old device", "MDLSTM_EMU_ARCH=70", "compute capability 7.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := strings.ReplaceAll(c.name, " ", "-")
			r := onGPU([]string{c.env}, quick("--out", dir)...)
			if r.code != exitDone || strings.Count(r.err, "note: computing on the CPU: ") != 1 || !strings.Contains(r.err, c.why) {
				t.Fatalf("exit code %d, got %q, want one note with %q", r.code, r.err, c.why)
			}
			if got := recordOf(t, dir).Engine.Engine; got != "cpu" {
				t.Errorf("engine %q, want cpu", got)
			}
		})
	}
}

// TestGPUFault: a device error in mid-training names the kernel, the last
// checkpoint is valid, and from there the run comes to the bits of one that was
// not disturbed.
func TestGPUFault(t *testing.T) {
	emulator(t)
	t.Chdir(t.TempDir())
	flags := func(out string) []string { return quick("--device", "gpu", "--checkpoint-every", "2", "--out", out) }
	works(t, flags("whole")...)
	for _, c := range []struct {
		name string
		env  []string
	}{
		{"graph", []string{"MDLSTM_EMU_FAIL=cuGraphLaunch:11=719"}},
		{"launch", []string{"MDLSTM_SYNC=1", "MDLSTM_EMU_FAIL=cuLaunchKernel:45=700"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, onGPU(c.env, flags(c.name)...), exitFailed, "is kept in "+filepath.Join(c.name, "state.safetensors"))
			r := onGPU(c.env, flags(c.name+"-again")...)
			refused(t, r, exitFailed, "last kernel launched: ")
			if out := works(t, "train", "--resume", c.name); out == "" {
				t.Error("no summary")
			}
			if read(t, c.name, modelFile) != read(t, "whole", modelFile) || logWithoutTime(t, c.name) != logWithoutTime(t, "whole") {
				t.Error("the resumed run is not the undisturbed one")
			}
		})
	}
}

// TestGPUFaults: whichever call of the driver fails, for want of memory or of a
// device, the training ends with one line, and the run that is left comes to the
// bits of one that was not disturbed. Every second call stands for all.
func TestGPUFaults(t *testing.T) {
	emulator(t)
	t.Chdir(t.TempDir())
	begin := func(dir string) error {
		o := defaultTrain()
		o.Size, o.Batch, o.Hidden, o.Threads, o.Steps, o.CheckpointEvery, o.Device = "3x3", 2, 3, 1, 4, 2, "gpu"
		p, err := prepare(o, given{})
		if err != nil {
			return err
		}
		return trainHere(t, func(s streams) (*training, error) {
			on, err := o.computeOptions.find(s)
			if err != nil {
				return nil, err
			}
			return p.start(on, s, func() (string, error) { return dir, nil })
		})
	}
	if err := begin("whole"); err != nil {
		t.Fatal(err)
	}
	const memory, lost = 2, 719 // CUDA_ERROR_OUT_OF_MEMORY, CUDA_ERROR_LAUNCH_FAILED
	for _, c := range []struct {
		call string
		code int
	}{
		{"cuMemAlloc", memory},
		{"cuMemAllocHost", memory},
		{"cuMemcpyHtoDAsync", lost},
		{"cuMemcpyDtoH", lost},
		{"cuGraphLaunch", lost},
		{"cuEventSynchronize", lost},
		{"cuStreamSynchronize", lost},
	} {
		t.Run(c.call, func(t *testing.T) {
			began := 0 // runs that failed after their folder was made
			for n := 1; ; n += 2 {
				dir := fmt.Sprintf("%s-%d", c.call, n)
				t.Setenv("MDLSTM_EMU_FAIL", fmt.Sprintf("%s:%d=%d", c.call, n, c.code))
				err := begin(dir)
				t.Setenv("MDLSTM_EMU_FAIL", "")
				if err == nil {
					break // fewer calls than n
				}
				if c.code == memory && !errors.Is(err, engine.ErrMemory) {
					t.Errorf("call %d: got %q, want one that wraps ErrMemory", n, err)
				}
				if !strings.Contains(err.Error(), c.call) {
					t.Errorf("call %d: got %q, want one that names it", n, err)
				}
				if _, statErr := os.Stat(dir); statErr != nil {
					continue // refused before there was a run
				}
				began++
				if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "kept") {
					t.Errorf("call %d: got %q, want one line that says what is kept", n, err)
				}
				if err := trainHere(t, func(s streams) (*training, error) { return reopened(dir, s) }); err != nil {
					t.Fatalf("call %d: resume: %v", n, err)
				}
				if read(t, dir, modelFile) != read(t, "whole", modelFile) || logWithoutTime(t, dir) != logWithoutTime(t, "whole") {
					t.Errorf("call %d: the resumed run is not the undisturbed one", n)
				}
			}
			if began == 0 && c.code != memory { // which is taken before, nearly all of it
				t.Error("no call failed in a training: the test shows nothing")
			}
		})
	}
}

// TestGPURecord: config.json says what computed, and resuming with the same
// kernels warns of nothing.
func TestGPURecord(t *testing.T) {
	t.Setenv("MDLSTM_EMU_ARCH", "90")
	families, d := flagWords(compute.Kernels)[1:], device(t)
	if !d.Clusters {
		families = slices.DeleteFunc(slices.Clone(families), func(f string) bool { return f == string(gpu.KernelsCluster) })
	}
	t.Chdir(t.TempDir())
	for _, family := range families {
		works(t, quick("--device", "gpu", "--kernels", family, "--out", family)...)
		s := recordOf(t, family).Engine
		if s.Engine != "gpu" || s.Device == "" || s.Settings["driver"] == "" || s.Settings["ptx"] == "" || s.Settings["emulated"] == "" ||
			strings.Join(kernelsUsed(s.Settings), " ") != family {
			t.Errorf("%s: got %+v", family, s)
		}
		r := onGPU(nil, "train", "--resume", family, "--steps", "9")
		if r.code != exitDone || strings.Contains(r.err, "the engine changed") || !strings.Contains(r.err, family+" kernels") {
			t.Errorf("%s: exit code %d: %s", family, r.code, r.err)
		}
	}
	r := onGPU(nil, "train", "--resume", "sweep", "--steps", "12", "--device", "cpu")
	if r.code != exitDone || !strings.Contains(r.err, "the engine changed") {
		t.Errorf("on the CPU: exit code %d: %s", r.code, r.err)
	}
}

// TestGPUPrecision: a run records its precision and resumes with it; another is
// named as a change, and the CPU, which has none, is refused.
func TestGPUPrecision(t *testing.T) {
	emulator(t)
	t.Chdir(t.TempDir())
	newer := []string{"MDLSTM_EMU_ARCH=80"}
	if r := onGPU(newer, quick("--device", "gpu", "--precision", "tf32", "--out", "run")...); r.code != exitDone || !strings.Contains(r.err, "tf32") {
		t.Fatalf("exit code %d: %s", r.code, r.err)
	}
	if r := recordOf(t, "run"); r.Settings.Precision != "tf32" || r.Engine.Settings["precision"] != "tf32" {
		t.Errorf("recorded: %q and %q", r.Settings.Precision, r.Engine.Settings["precision"])
	}
	for i, c := range []struct {
		name     string
		args     []string
		code     int
		fragment string // of what is said; "" = no word of a change
	}{
		{"as it was", nil, exitDone, ""},
		{"on the CPU", []string{"--device", "cpu"}, exitUsage, "--precision tf32: device cpu computes in float32"},
		{"another", []string{"--precision", "float32"}, exitDone, "the engine changed"},
	} {
		r := onGPU(newer, append([]string{"train", "--resume", "run", "--steps", strconv.Itoa(9 + i)}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.err, c.fragment) || c.fragment == "" && strings.Contains(r.err, "the engine changed") {
			t.Errorf("%s: exit code %d, want %d: %s", c.name, r.code, c.code, r.err)
		}
		if c.code == exitDone {
			want := map[string]string{"as it was": "tf32", "another": "float32"}[c.name]
			if got := recordOf(t, "run").Settings.Precision; got != want {
				t.Errorf("%s: recorded %q, want %q", c.name, got, want)
			}
		}
	}
	var list []benchResult
	r := onGPU(newer, "bench", "--device", "gpu", "--precision", "tf32x3", "--json", "--seconds", "0.01", "--size", "2x2", "--batch", "1", "--hidden", "64")
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list) != 1 || list[0].Settings.Precision != "tf32x3" ||
		!strings.Contains(list[0].Kernels["layers.0 kernels"], "wave_products_tf32x3") {
		t.Errorf("bench: %v, %+v: %s", err, list, r.err)
	}
}

// TestGPUStretches: gates that are computed again give the same log, gates in
// bfloat16 the same first loss.
func TestGPUStretches(t *testing.T) {
	emulator(t)
	t.Chdir(t.TempDir())
	losses := map[string][]float64{}
	for name, more := range map[string][]string{"kept": nil, "again": {"--recompute"}, "halves": {"--precision", "bf16"}} {
		r := onGPU([]string{"MDLSTM_EMU_ARCH=80"}, quick(append(more, "--device", "gpu", "--out", name)...)...)
		if r.code != exitDone {
			t.Fatalf("%s: exit code %d: %s", name, r.code, r.err)
		}
		log, err := readLog(name)
		if err != nil {
			t.Fatal(err)
		}
		losses[name] = log.Overall
	}
	if !slices.Equal(losses["again"], losses["kept"]) {
		t.Errorf("--recompute: losses %v, want %v", losses["again"], losses["kept"])
	}
	if got, want := losses["halves"], losses["kept"]; got[0] != want[0] || slices.Equal(got, want) {
		t.Errorf("--precision bf16: losses %v, want the first of %v, and not all", got, want)
	}
}

func recordOf(t *testing.T, dir string) train.Record {
	t.Helper()
	r, err := train.ReadRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGPUCommands: the other commands on the GPU.
func TestGPUCommands(t *testing.T) {
	d := device(t)
	t.Chdir(t.TempDir())
	array(t, "x.npy", 3, 4, 4, 1)
	trained(t, "run", nil)
	if out := works(t, "info", "--require", "gpu"); !strings.Contains(out, "gpu      0: "+d.Name) {
		t.Errorf("info: got %q, want %s", out, d.Name)
	}
	if out := works(t, "info", "--model", "run", "--device", "gpu"); !strings.Contains(out, "device      gpu: "+d.Name) ||
		!strings.Contains(out, "kernels     layers.0: sweep (a wavefront is less than a launch") || !strings.Contains(out, "bytes a row") || !strings.Contains(out, "in all      ") {
		t.Errorf("info --model: got %q", out)
	}
	if out := works(t, "check", "--device", "gpu"); strings.Count(out, " gpu ") != 20 || !strings.Contains(out, "all 20 within") {
		t.Errorf("check: got %q, want 20 rows", out)
	}
	var list []benchResult
	out := works(t, "bench", "--device", "gpu", "--json", "--seconds", "0.01", "--size", "4x3", "--batch", "2", "--hidden", "3")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 {
		t.Fatalf("bench: %v: %s", err, out)
	}
	if r := list[0]; r.Engine != "gpu" || r.Device != d.Name || len(kernelsUsed(r.Kernels)) != 1 || r.Threads != 0 || r.StepMS <= 0 {
		t.Errorf("bench: got %+v", r)
	}
	for _, predict := range []string{"--predict=false", "--predict"} {
		out = works(t, "bench", "--device", "gpu", "--profile", predict, "--seconds", "0.01", "--size", "4x3", "--batch", "2", "--hidden", "3")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if all := strings.Fields(lines[len(lines)-1]); len(all) != 5 || all[0] != "all" || all[4] != "100%" ||
			!strings.Contains(out, "sweep_layernorm_forward") || strings.Contains(out, "sweep_layernorm_backward") != (predict != "--predict") {
			t.Errorf("bench --profile %s: got\n%s", predict, out)
		}
	}
	works(t, "predict", "--model", "run", "--in", "x.npy", "--out", "gpu.npy", "--device", "gpu")
	if works(t, "predict", "--model", "run", "--in", "x.npy", "--out", "cpu.npy", "--device", "cpu"); len(read(t, "gpu.npy")) != len(read(t, "cpu.npy")) {
		t.Error("predict: the shapes differ")
	}
}

// How far the losses of the two engines may be apart in the seed's experiment,
// in the first steps.
const (
	agreeSteps       = 50
	overallTolerance = 2e-6
	relevantLimit    = 1e-5
)

// TestGPUSeed trains the seed's three models on the GPU and on the CPU, with the
// same seed, and loads the models of one on the other.
func TestGPUSeed(t *testing.T) {
	if device(t); testing.Short() {
		t.Skip("a minute on the emulator")
	}
	t.Chdir(t.TempDir())
	batch := "4" // a quarter of the seed's, for the emulator's sake
	if os.Getenv("MDLSTM_SEED_STEPS") != "" {
		batch = "16"
	}
	for _, c := range []struct {
		name  string
		steps int
		flags []string
	}{
		{"adam", seedSteps(t), nil},
		{"sgd", agreeSteps, []string{"--optimizer", "sgd", "--momentum", "0.9", "--lr", "0.1"}},
	} {
		for _, model := range models {
			t.Run(c.name+"/"+model, func(t *testing.T) {
				logs, losses := map[string]report.Columns{}, map[string]float64{}
				for _, on := range []string{"gpu", "cpu"} {
					out := c.name + "-" + model + "-" + on
					works(t, append([]string{"train", "--model", model, "--device", on, "--batch", batch, "--steps", strconv.Itoa(c.steps), "--out", out}, c.flags...)...)
					log, err := readLog(out)
					if err != nil {
						t.Fatal(err)
					}
					logs[on] = log
				}
				if fault := apart(logs["gpu"], logs["cpu"]); fault != "" {
					t.Error(fault)
				}
				if c.name != "adam" {
					return
				}
				for _, on := range []string{"gpu", "cpu"} {
					out := works(t, "eval", "--model", c.name+"-"+model+"-gpu", "--steps", "2", "--device", on)
					losses[on] = lossIn(t, out)
				}
				if d := math.Abs(losses["gpu"] - losses["cpu"]); !(d <= overallTolerance) {
					t.Errorf("eval: loss %v on the GPU, %v on the CPU", losses["gpu"], losses["cpu"])
				}
			})
		}
	}
	out := works(t, "eval", "--model", "adam-MD_LSTM-cpu", "--steps", "2", "--device", "gpu")
	if loss := lossIn(t, out); !(loss > 0 && loss < 0.1) {
		t.Errorf("a model of the CPU on the GPU: loss %v", loss)
	}
}

// seedSteps is how long the three models are trained: MDLSTM_SEED_STEPS, or as
// many steps as CI has time for on the emulator.
func seedSteps(t *testing.T) int {
	t.Helper()
	text := os.Getenv("MDLSTM_SEED_STEPS")
	if text == "" {
		return 300
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < agreeSteps {
		t.Fatalf("MDLSTM_SEED_STEPS=%s: want %d or more", text, agreeSteps)
	}
	return n
}

// apart says where two logs differ by more than is tolerated, "" when they agree.
func apart(a, b report.Columns) string {
	if a.Len() != b.Len() || a.Len() < agreeSteps {
		return strconv.Itoa(a.Len()) + " and " + strconv.Itoa(b.Len()) + " steps, want as many, and at least " + strconv.Itoa(agreeSteps)
	}
	for i := range agreeSteps {
		for _, c := range []struct {
			what        string
			x, y, limit float64
		}{
			{"overall", a.Overall[i], b.Overall[i], overallTolerance},
			{"relevant", a.Relevant[i], b.Relevant[i], relevantLimit},
		} {
			if d := math.Abs(c.x - c.y); !(d <= c.limit) {
				return "step " + strconv.Itoa(i) + ": " + c.what + " loss " + strconv.FormatFloat(c.x, 'g', -1, 64) + " and " +
					strconv.FormatFloat(c.y, 'g', -1, 64) + ": more than " + strconv.FormatFloat(c.limit, 'g', -1, 64) + " apart"
			}
		}
	}
	return ""
}

// lossIn is the overall loss that eval printed.
func lossIn(t *testing.T, out string) float64 {
	t.Helper()
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "overall_loss" {
			loss, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return loss
		}
	}
	t.Fatalf("no overall_loss in %q", out)
	return 0
}

// TestApart: the comparison of logs finds what it is there for.
func TestApart(t *testing.T) {
	log := func(n int, change func(c *report.Columns)) report.Columns {
		c := report.Columns{}
		for i := range n {
			c.Steps = append(c.Steps, int64(i))
			c.Overall, c.Relevant, c.Seconds = append(c.Overall, 0.1), append(c.Relevant, 0.5), append(c.Seconds, 1)
		}
		if change != nil {
			change(&c)
		}
		return c
	}
	for _, c := range []struct {
		name string
		b    report.Columns
		ok   bool
	}{
		{"equal", log(60, nil), true},
		{"near", log(60, func(c *report.Columns) { c.Overall[3] += 1e-6; c.Relevant[3] -= 9e-6 }), true},
		{"apart later", log(60, func(c *report.Columns) { c.Overall[55] += 1 }), true},
		{"overall", log(60, func(c *report.Columns) { c.Overall[49] += 3e-6 }), false},
		{"relevant", log(60, func(c *report.Columns) { c.Relevant[0] += 2e-5 }), false},
		{"NaN", log(60, func(c *report.Columns) { c.Overall[7] = math.NaN() }), false},
		{"shorter", log(59, nil), false},
	} {
		if got := apart(log(60, nil), c.b); (got == "") != c.ok {
			t.Errorf("%s: got %q", c.name, got)
		}
	}
	if apart(log(10, nil), log(10, nil)) == "" {
		t.Error("10 steps are enough")
	}
}
