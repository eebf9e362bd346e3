package main

import (
	"errors"
	"runtime"
	"strings"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/cpu/openblas"
	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/dist"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/train"
)

// maxThreads bounds --threads: beyond it a typing error is likelier than a
// machine.
const maxThreads = 4096

// kernelFamilies are the values of --kernels.
var kernelFamilies = []string{"auto", string(gpu.KernelsWavefront), string(gpu.KernelsSweep), string(gpu.KernelsCluster)}

// computeOptions say what shall compute.
type computeOptions struct {
	Device  string `toml:"device"`
	Kernels string `toml:"kernels"`
	BLAS    string `toml:"blas"`
	Threads int    `toml:"threads"`

	Precision string `toml:"precision"`

	Recompute bool `toml:"recompute"` // of train and bench

	ranks dist.Comm  // of the training that this process is part of
	place dist.Place // of this one among them
}

func defaultCompute() computeOptions {
	return computeOptions{Device: "auto", Kernels: "auto", BLAS: "auto", Precision: string(gpu.Float32), ranks: dist.Single{}}
}

func (c *computeOptions) options() []option {
	return []option{
		{name: "device", arg: "auto|cpu|gpu", group: "Machine", usage: "what computes; auto takes the first NVIDIA GPU that can, else the CPU, and says why; CUDA_VISIBLE_DEVICES chooses among GPUs", dest: &c.Device},
		{name: "kernels", arg: "NAME", group: "Machine", usage: "kernels of mdlstm layers on the GPU: wavefront (a launch a diagonal), sweep (one for all), cluster (a sweep on several multiprocessors a sample, from Hopper on), or auto, which decides by shapes and device", dest: &c.Kernels},
		{name: "precision", arg: "NAME", group: "Machine", usage: "of products on the GPU, where mdlstm layers have 64 hidden units or more: float32; on tensor cores tf32x3 (errors near float32's) or tf32 (about 11 bits); bf16 is tf32 with the saved gates in bfloat16", dest: &c.Precision},
		{name: "threads", arg: "N", group: "Machine", usage: "processor cores to use, 0 = all; the results do not depend on it", dest: &c.Threads},
		{name: "blas", arg: "NAME", group: "Machine", usage: "matrix products of the CPU: builtin (AVX2 or AVX-512), gonum (portable), openblas (where it was built in), or auto, the first of them that can", dest: &c.BLAS},
	}
}

// recomputeOption is for the commands that train.
func (c *computeOptions) recomputeOption() option {
	return option{name: "recompute", group: "Machine", usage: "compute gates again in the backward pass instead of keeping them: about a fifth of the memory, a third more time", dest: &c.Recompute}
}

// machineFlags are the flags above.
var machineFlags = []string{"device", "kernels", "precision", "threads", "blas"}

// check refuses values that no build knows.
func (c computeOptions) check() error {
	if err := oneOf("device", c.Device, []string{"auto", "cpu", "gpu"}); err != nil {
		return err
	}
	if err := oneOf("kernels", c.Kernels, kernelFamilies); err != nil {
		return err
	}
	if err := oneOf("blas", c.BLAS, []string{"auto", "builtin", "gonum", "openblas"}); err != nil {
		return err
	}
	if c.Kernels != "auto" && c.Device == "cpu" {
		return usagef("--kernels %s goes with a GPU, not with --device cpu: leave one out", c.Kernels)
	}
	if err := oneOf("precision", c.Precision, precisions()); err != nil {
		return err
	}
	if c.lowers() && c.Device == "cpu" {
		return c.noPrecision("--device cpu computes")
	}
	if c.Threads < 0 || c.Threads > maxThreads {
		return usagef("--threads %d: want 0 (all cores) to %d", c.Threads, maxThreads)
	}
	return nil
}

// computer is what computes, once it is found.
type computer struct {
	asked computeOptions
	gpu   *cuda.Device // nil: the CPU
	temp  string       // folder of what the CPU's memory does not hold; "" = TMPDIR
	s     streams
}

// find checks what was asked for and looks for the GPU. It says, once, when and
// why --device auto takes the CPU.
func (c computeOptions) find(s streams) (computer, error) {
	m := computer{asked: c, s: s}
	if err := c.check(); err != nil {
		return m, err
	}
	if _, _, ok := openblas.Implementation(); c.BLAS == "openblas" && !ok {
		return m, errors.New("--blas openblas: this build has no OpenBLAS: leave the flag out, or build with -tags openblas (needs a C compiler and libopenblas)")
	}
	if c.BLAS == "builtin" && cpu.BuiltIn() == "" {
		return m, errors.New("--blas builtin: this processor has no AVX2 and FMA: use --blas gonum")
	}
	if c.place.Ranks > 1 && c.Threads == 0 {
		m.asked.Threads = c.place.Threads // which changes no bit of the results
	}
	var err error
	if c.Device != "cpu" {
		m.gpu, err = findGPU(c.Device, c.place.Turn, s)
	}
	if err == nil && m.gpu == nil && c.lowers() {
		return m, c.noPrecision("there is no GPU here, and the CPU computes")
	}
	return m, err
}

// precisions are the values of --precision.
func precisions() (names []string) {
	for _, p := range gpu.Precisions {
		names = append(names, string(p))
	}
	return names
}

// lowers says whether a precision was asked for that only GPUs have.
func (c computeOptions) lowers() bool { return c.Precision != string(gpu.Float32) }

// recordedPrecision is the precision as runs record it, float32 as none: every
// run had it before there was a choice.
func (c computeOptions) recordedPrecision() string {
	if c.lowers() {
		return c.Precision
	}
	return ""
}

// noPrecision refuses the precision for want of a GPU.
func (c computeOptions) noPrecision(why string) error {
	return usagef("--precision %s: %s in float32: give --device gpu, or --precision float32", c.Precision, why)
}

// findAll is find for commands that compare: with --device auto the CPU, unless
// the precision is only the GPU's, and, where there is one, the GPU.
func (c computeOptions) findAll(s streams) ([]computer, error) {
	m, err := c.find(s)
	if err != nil {
		return nil, err
	}
	if m.gpu != nil && c.Device == "auto" && !c.lowers() {
		return []computer{{asked: c, s: s}, m}, nil
	}
	return []computer{m}, nil
}

// open makes the engine for a model, its parameters zero.
func (m computer) open(model *nn.Model) (engine.Engine, error) {
	if m.gpu != nil {
		return m.openGPU(model)
	}
	o := cpu.Options{Threads: m.asked.Threads, Temp: m.temp, Recompute: m.asked.Recompute}
	switch blas, name, ok := openblas.Implementation(); {
	case m.asked.BLAS == "gonum":
		o.BLAS, o.BLASName = cpu.Gonum()
	case m.asked.BLAS == "openblas", m.asked.BLAS == "auto" && cpu.BuiltIn() == "" && ok:
		o.BLAS, o.BLASName = blas, name
	}
	return cpu.New(model, o)
}

// threads is how many cores compute; 0 when it is not the cores that do.
func (m computer) threads() int {
	switch {
	case m.gpu != nil:
		return 0
	case m.asked.Threads == 0:
		return runtime.GOMAXPROCS(0)
	}
	return m.asked.Threads
}

// mostWorkers bounds the batches that are made at once: each takes memory.
const mostWorkers = 16

// dataWorkers is how many batches are made at once while a step is under way:
// beside a GPU one on each core but that of the step; where the cores compute the
// step, one.
func (m computer) dataWorkers() int {
	if m.gpu == nil {
		return 1
	}
	cores := m.asked.Threads
	if cores == 0 {
		cores = runtime.GOMAXPROCS(0)
	}
	return min(max(cores-1, 1), mostWorkers)
}

// describe says in a line what an engine computes on.
func (m computer) describe(i engine.Info) string {
	if m.gpu != nil {
		return i.Engine + ": " + strings.Join(append([]string{deviceText(m.gpu)}, kernelsText(i)...), ", ")
	}
	parts := []string{i.Device, count(m.threads(), "thread")}
	if blas := i.Settings["blas"]; blas != "" {
		parts = append(parts, "products by "+shortBLAS(blas))
	}
	if vector := i.Settings["vector"]; vector != "" {
		parts = append(parts, vector+" gates")
	}
	return i.Engine + ": " + strings.Join(parts, ", ")
}

// shortBLAS is the beginning of what OpenBLAS says of itself: "OpenBLAS 0.3.26".
func shortBLAS(name string) string {
	words := strings.Fields(name)
	return strings.Join(words[:min(len(words), 2)], " ")
}

// sameBLAS is the choice that continues a run to the same bits, where this build
// has what the run had.
func sameBLAS(i train.EngineInfo) string {
	had := i.Settings["blas"]
	if _, _, ok := openblas.Implementation(); ok && strings.HasPrefix(had, "OpenBLAS") {
		return "openblas"
	}
	if had == "gonum" {
		return "gonum"
	}
	return "auto"
}
