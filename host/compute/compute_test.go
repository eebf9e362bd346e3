package compute

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/cpu/openblas"
	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/nn"
)

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name   string
		o      Options
		option string // "" = nothing is refused
		want   string
	}{
		{"none", Options{}, "", ""},
		{"all of a GPU", Options{Device: GPU, Kernels: gpu.KernelsSweep, Precision: gpu.BF16, Recompute: true, Threads: MaxThreads}, "", ""},
		{"all of auto", Options{Kernels: gpu.KernelsCluster, Precision: gpu.TF32}, "", ""},
		{"all of the CPU", Options{Device: CPU, BLAS: BLASGonum, Precision: gpu.Float32, Threads: 1, Temp: "x"}, "", ""},
		{"device", Options{Device: "tpu"}, "Device", `options: Device "tpu": want "cpu", "gpu" or none (auto)`},
		{"kernels", Options{Kernels: "fast"}, "Kernels", `options: Kernels "fast": want "wavefront", "sweep", "cluster" or none (auto)`},
		{"BLAS", Options{BLAS: "mkl"}, "BLAS", `options: BLAS "mkl": want "builtin", "gonum", "openblas" or none (auto)`},
		{"precision", Options{Precision: "double"}, "Precision", `options: Precision "double": want "float32", "tf32x3", "tf32", "bf16" or none (float32)`},
		{"threads below", Options{Threads: -1}, "Threads", "options: Threads -1: want 0 (all cores) to 4096"},
		{"threads above", Options{Threads: MaxThreads + 1}, "Threads", "options: Threads 4097: "},
		{"kernels of the CPU", Options{Device: CPU, Kernels: gpu.KernelsSweep}, "Kernels", `options: Kernels "sweep": it goes with a GPU, and device cpu was asked for`},
		{"precision of the CPU", Options{Device: CPU, Precision: gpu.TF32}, "Precision", `options: Precision "tf32": device cpu computes in float32: ask for device gpu, or for float32`},
		{"profile of the CPU", Options{Device: CPU, Profile: true}, "Profile", "options: Profile: it times the kernels of a GPU: device cpu was asked for"},
		{"a long value", Options{Device: Device(strings.Repeat("x", 1000))}, "Device", `xxx": want`},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.o.Check()
			var e *OptionError
			if errors.As(err, &e); (e == nil) != (test.option == "") || (e == nil) != (err == nil) {
				t.Fatalf("got %v, want the option %q refused", err, test.option)
			}
			if e != nil && (e.Option != test.option || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 200) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// model is a small one.
func model(t *testing.T) *nn.Model {
	t.Helper()
	m, err := nn.New(nn.Config{Input: 1, Loss: nn.MSE, Head: nn.Head{Units: 1, Activation: nn.Linear},
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 2, Directions: []string{"+"}}}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestBLAS: each choice is what it says, or an error.
func TestBLAS(t *testing.T) {
	_, _, open := openblas.Implementation()
	for _, test := range []struct {
		blas BLAS
		can  bool
		want string // how the engine's products begin
	}{
		{BLASGonum, true, "gonum"},
		{BLASBuiltin, cpu.BuiltIn() != "", "builtin"},
		{BLASOpenBLAS, open, "OpenBLAS"},
		{BLASAuto, true, map[bool]string{true: "builtin", false: ""}[cpu.BuiltIn() != ""]},
	} {
		m, err := Find(Options{Device: CPU, BLAS: test.blas})
		if (err == nil) != test.can {
			t.Errorf("%q: error %v, want one: %v", test.blas, err, !test.can)
		}
		var e *OptionError
		if err != nil {
			if !errors.As(err, &e) || e.Option != "BLAS" {
				t.Errorf("%q: error %v, want an OptionError of BLAS", test.blas, err)
			}
			continue
		}
		engine, err := m.Open(model(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := engine.Info().Settings["blas"]; !strings.HasPrefix(got, test.want) {
			t.Errorf("%q: products by %q, want %q", test.blas, got, test.want)
		}
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTemp: a folder that is none is refused before it is needed.
func TestTemp(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		temp string
		can  bool
	}{{"", true}, {dir, true}, {file, false}, {filepath.Join(dir, "absent"), false}} {
		_, err := Find(Options{Device: CPU, Temp: test.temp})
		var e *OptionError
		if (err == nil) != test.can || err != nil && (!errors.As(err, &e) || e.Option != "Temp") {
			t.Errorf("%q: error %v, want an OptionError of Temp: %v", test.temp, err, !test.can)
		}
	}
}

// TestNoGPU: where there is none, Auto is the CPU and says why, and what only
// GPUs have is refused.
func TestNoGPU(t *testing.T) {
	if _, err := cuda.FirstUsable(); err == nil {
		t.Skip("this machine has a GPU")
	}
	m, err := Find(Options{Kernels: gpu.KernelsSweep})
	if err != nil || m.GPU != nil || !errors.Is(m.Passed, cuda.ErrNoDevice) {
		t.Errorf("auto: got %+v (error %v), want the CPU, and why", m, err)
	}
	if m, err := Find(Options{Device: CPU}); err != nil || m.Passed != nil {
		t.Errorf("the CPU: passed over the GPU because of %v (error %v)", m.Passed, err)
	}
	var e *OptionError
	if _, err := Find(Options{Device: GPU}); !errors.Is(err, cuda.ErrNoDevice) || !errors.As(err, &e) || e.Option != "Device" {
		t.Errorf("a GPU: error %v, want an OptionError of Device that wraps ErrNoDevice", err)
	}
	if _, err := Find(Options{Profile: true}); !errors.As(err, &e) || e.Option != "Profile" || !errors.Is(err, cuda.ErrNoDevice) {
		t.Errorf("a profile: error %v, want an OptionError of Profile that wraps ErrNoDevice", err)
	}
	_, err = Find(Options{Precision: gpu.TF32x3})
	if !errors.As(err, &e) || e.Option != "Precision" || !errors.Is(err, cuda.ErrNoDevice) || !strings.Contains(err.Error(), "the CPU computes in float32, and no GPU is taken: no usable CUDA device") {
		t.Errorf("tf32x3: error %v, want an OptionError of Precision that wraps ErrNoDevice", err)
	}
}

// TestOpenFails: an engine that cannot be made is nil.
func TestOpenFails(t *testing.T) {
	m := Machine{Options: Options{Threads: -1}}
	if e, err := m.Open(model(t)); e != nil || err == nil {
		t.Errorf("got %v, %v, want nil and an error", e, err)
	}
}

// TestBatchWorkers: what makes data leaves the step a core, and a CPU engine its
// cores.
func TestBatchWorkers(t *testing.T) {
	all := min(max(runtime.GOMAXPROCS(0)-1, 1), mostWorkers)
	for _, test := range []struct {
		name          string
		gpu           *cuda.Device
		threads       int
		want, engines int
	}{
		{"CPU", nil, 0, 1, runtime.GOMAXPROCS(0)},
		{"CPU with threads", nil, 8, 1, 8},
		{"GPU", &cuda.Device{}, 0, all, 0},
		{"GPU, one core", &cuda.Device{}, 1, 1, 0},
		{"GPU, a rank's cores", &cuda.Device{}, 5, 4, 0},
		{"GPU, large machine", &cuda.Device{}, 192, mostWorkers, 0},
	} {
		m := Machine{Options: Options{Threads: test.threads}, GPU: test.gpu}
		if got := m.BatchWorkers(); got != test.want {
			t.Errorf("%s: got %d workers, want %d", test.name, got, test.want)
		}
		if got := m.EngineThreads(); got != test.engines {
			t.Errorf("%s: the engine has %d threads, want %d", test.name, got, test.engines)
		}
	}
}
