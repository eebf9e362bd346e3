package mdlstm_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/mdlstm"
)

// TestOptionsRefused: errors name the field, its value and what is wanted.
func TestOptionsRefused(t *testing.T) {
	for _, test := range []struct {
		o    mdlstm.Options
		want string
	}{
		{mdlstm.Options{Device: "tpu"}, `Device "tpu": want "cpu", "gpu" or none (auto)`},
		{mdlstm.Options{Threads: -1}, "Threads -1: want 0 (all cores) to 4096"},
		{mdlstm.Options{Threads: math.MaxInt}, "want 0 (all cores) to 4096"},
		{mdlstm.Options{Engines: -2}, "Engines -2: want 1 to 4096, or 0 for the default"},
		{mdlstm.Options{Engines: math.MaxInt}, "want 1 to 4096, or 0 for the default"},
		{mdlstm.Options{BLAS: "mkl"}, `BLAS "mkl": want "builtin", "gonum", "openblas" or none (auto)`},
		{mdlstm.Options{Kernels: "fast"}, `Kernels "fast": want "wavefront", "sweep", "cluster" or none (auto)`},
		{mdlstm.Options{Precision: "half"}, `Precision "half": want "float32", "tf32x3", "tf32", "bf16" or none (float32)`},
		{mdlstm.Options{Device: mdlstm.CPU, Kernels: mdlstm.KernelsSweep}, `Kernels "sweep": it goes with a GPU`},
		{mdlstm.Options{Device: mdlstm.CPU, Precision: mdlstm.TF32}, `Precision "tf32": device cpu computes in float32`},
	} {
		_, err := mdlstm.New(config(), test.o)
		if err == nil || !strings.HasPrefix(err.Error(), "options: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v, want %q", test.o, err, test.want)
		}
	}
}

// TestOptionsOfCPU: what each of them changes.
func TestOptionsOfCPU(t *testing.T) {
	samples := mixed(6)
	trained := func(o mdlstm.Options) *mdlstm.Model {
		m := open(t, config(), o)
		train(t, m, samples, mdlstm.TrainOptions{Steps: 3, Batch: 3})
		return m
	}
	want := trained(mdlstm.Options{}).Parameters()
	for name, o := range map[string]mdlstm.Options{
		"Recompute": {Recompute: true},
		"Temp":      {Temp: t.TempDir()},
		"Precision": {Precision: mdlstm.Float32},
	} {
		if !slices.Equal(trained(o).Parameters(), want) {
			t.Errorf("%s changes the bits", name)
		}
	}
	gonum := trained(mdlstm.Options{BLAS: mdlstm.BLASGonum})
	if got := gonum.Info().Settings["blas"]; got != "gonum" {
		t.Errorf("BLAS gonum: products by %q", got)
	}
	report, err := approx.Compare("gonum's parameters", nil, gonum.Parameters(), want, approx.Tolerance{Abs: 2e-6})
	if err != nil {
		t.Error(err)
	}
	t.Log(report)
}

// emulatedAs makes the emulator a GPU of a compute capability, 80 for 8.0, and
// skips the test where no GPU has it.
func emulatedAs(t *testing.T, capability int) *cuda.Device {
	t.Helper()
	t.Setenv("MDLSTM_EMU_ARCH", fmt.Sprint(capability))
	d, err := cuda.FirstUsable()
	if err != nil && os.Getenv("MDLSTM_REQUIRE_GPU") == "1" {
		t.Fatalf("MDLSTM_REQUIRE_GPU=1: %v", err)
	}
	if err != nil {
		t.Skipf("no GPU: %v (make test-emu runs this test on the emulator)", err)
	}
	if d.Capability < capability {
		t.Skipf("%s has compute capability %d, want %d", d.Name, d.Capability, capability)
	}
	return d
}

// TestGPUOptions: each is taken, Recompute to the same bits, precisions to within
// their errors.
func TestGPUOptions(t *testing.T) {
	emulatedAs(t, 80)
	c := config()
	c.Layers[0].Cell, c.Layers[0].Hidden, c.Layers[0].Directions = "plain", 64, []string{"++"}
	samples := mixed(3)
	trained := func(o mdlstm.Options) []mdlstm.Output {
		o.Device, o.Seed = mdlstm.GPU, 1
		m, err := mdlstm.New(c, o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		// Not Adam: its first step makes much of gradients that are nearly zero.
		train(t, m, samples, mdlstm.TrainOptions{Steps: 1, Optimizer: mdlstm.SGD})
		info := m.Info().Settings
		if got := info["precision"]; got != string(o.Precision) {
			t.Errorf("%+v: computed with precision %q", o, got)
		}
		if got := info["layers.0 kernels"]; o.Kernels != "" && !strings.Contains(got, "wave_") {
			t.Errorf("%+v: kernels %q", o, got)
		}
		return predict(t, m, samples)
	}
	want := trained(mdlstm.Options{Kernels: mdlstm.KernelsWavefront})
	if !sameBits(trained(mdlstm.Options{Kernels: mdlstm.KernelsWavefront, Recompute: true}), want) {
		t.Error("Recompute changes the bits of one layer")
	}
	for precision, rel := range map[mdlstm.Precision]float64{mdlstm.TF32x3: 7e-8, mdlstm.TF32: 6e-5, mdlstm.BF16: 6e-5} {
		got := trained(mdlstm.Options{Precision: precision})
		if sameBits(got, want) {
			t.Errorf("%s: the bits of float32", precision)
		}
		for i := range want {
			report, err := approx.Compare(fmt.Sprintf("%s: sample %d", precision, i), nil, got[i].Y, want[i].Y, approx.OfLargest([]float64{1}, rel, 1))
			if err != nil {
				t.Error(err)
			}
			t.Log(report)
		}
	}
}

// TestGPUOptionsRefused: what the GPU lacks is an error of the option, also where
// there is none.
func TestGPUOptionsRefused(t *testing.T) {
	refused := func(o mdlstm.Options, want string) error {
		t.Helper()
		_, err := mdlstm.New(config(), o)
		if err == nil || !strings.HasPrefix(err.Error(), "options: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", o, err, want)
		}
		return err
	}
	if _, err := cuda.FirstUsable(); err != nil {
		for _, o := range []mdlstm.Options{{Precision: mdlstm.BF16}, {Device: mdlstm.GPU, Kernels: mdlstm.KernelsSweep}} {
			if err := refused(o, err.Error()); !errors.Is(err, mdlstm.ErrNoDevice) {
				t.Errorf("%+v: error %v, want one that wraps ErrNoDevice", o, err)
			}
		}
	}
	if !emulatedAs(t, 75).Emulated {
		t.Skip("it needs a GPU without tensor cores")
	}
	refused(mdlstm.Options{Device: mdlstm.GPU, Precision: mdlstm.TF32},
		`Precision "tf32": the GPU has compute capability 7.5, and TF32 tensor cores are in 8.0 and newer: use float32`)
	// Auto passes over the emulator, and the CPU has no tensor cores.
	refused(mdlstm.Options{Precision: mdlstm.TF32}, "the CPU computes in float32, and no GPU is taken: the only GPU is emulated, and taken only when device gpu is asked for")

	m, err := mdlstm.New(config(), mdlstm.Options{Device: mdlstm.GPU, Kernels: mdlstm.KernelsCluster})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Predict(t.Context(), mixed(1)...); !errors.Is(err, mdlstm.ErrShape) || !strings.Contains(err.Error(), "cluster kernels need compute capability 9.0") {
		t.Errorf("clusters on Turing: error %v, want one that wraps ErrShape", err)
	}
}

// TestGPUFeed: batches that are made ahead of a GPU, several at once, give the
// losses of the CPU's.
func TestGPUFeed(t *testing.T) {
	emulatedAs(t, 80)
	losses := func(o mdlstm.Options) (all []float64) {
		m, err := mdlstm.New(config(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		err = m.TrainSource(t.Context(), forked{noise{size: mdlstm.Shape{2, 3}, seed: 7}}, mdlstm.TrainOptions{Steps: 8, Progress: func(p mdlstm.Progress) error {
			all = append(all, p.Loss)
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	report, err := approx.Compare("losses", nil, losses(mdlstm.Options{Device: mdlstm.GPU, Threads: 4}), losses(mdlstm.Options{Device: mdlstm.CPU}), approx.Tolerance{Rel: 2e-6})
	if err != nil {
		t.Error(err)
	}
	t.Log(report)
}
