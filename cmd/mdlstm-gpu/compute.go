package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"mdlstm-gpu/host/compute"
	"mdlstm-gpu/host/cpu/openblas"
	"mdlstm-gpu/host/dist"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/train"
)

// computeOptions say what shall compute.
type computeOptions struct {
	Device  string `toml:"device"`
	Kernels string `toml:"kernels"`
	BLAS    string `toml:"blas"`
	Threads int    `toml:"threads"`

	Precision string `toml:"precision"`

	Recompute bool `toml:"recompute"` // of train and bench
	profile   bool // of bench

	temp string // of predict

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
	return option{name: "recompute", group: "Machine", usage: "compute gates again in the backward pass instead of keeping them: a fifth to a third of the memory, a third more time", dest: &c.Recompute}
}

// machineFlags are the flags above.
var machineFlags = []string{"device", "kernels", "precision", "threads", "blas"}

// flagWords are the values of an option as the command line has them; auto is the one
// that is none.
func flagWords[T ~string](values []T) []string {
	var names []string
	for _, v := range values {
		names = append(names, cmp.Or(string(v), "auto"))
	}
	return names
}

// chosen is the value of a word.
func chosen[T ~string](word string) T {
	if word == "auto" {
		return ""
	}
	return T(word)
}

// asked are the options as the machine has them.
func (c computeOptions) asked() compute.Options {
	return compute.Options{
		Device: chosen[compute.Device](c.Device), Threads: c.Threads, BLAS: chosen[compute.BLAS](c.BLAS),
		Kernels: chosen[gpu.KernelFamily](c.Kernels), Precision: gpu.Precision(c.Precision), Recompute: c.Recompute,
		Profile: c.profile, Temp: c.temp,
	}
}

// check refuses values that no build knows.
func (c computeOptions) check() error {
	for _, o := range []struct {
		flag, value string
		words       []string
	}{
		{"device", c.Device, flagWords(compute.Devices)},
		{"kernels", c.Kernels, flagWords(compute.Kernels)},
		{"blas", c.BLAS, flagWords(compute.BLASes)},
		{"precision", c.Precision, flagWords(gpu.Precisions)},
	} {
		if err := oneOf(o.flag, o.value, o.words); err != nil {
			return err
		}
	}
	if err := c.asked().Check(); err != nil {
		return &usageError{err: byFlag(err)}
	}
	return nil
}

// byFlag names an option by its flag.
func byFlag(err error) error {
	var e *compute.OptionError
	if !errors.As(err, &e) {
		return err
	}
	if e.Value == nil {
		return fmt.Errorf("--%s: %w", strings.ToLower(e.Option), e.Err)
	}
	return fmt.Errorf("--%s %v: %w", strings.ToLower(e.Option), e.Value, e.Err)
}

// computer is what computes, once it is found.
type computer struct {
	compute.Machine
	asked computeOptions
	s     streams
}

// find checks what was asked for and looks for the GPU. It says, once, when and
// why --device auto takes the CPU. Ranks on one node take its GPUs in turn.
func (c computeOptions) find(s streams) (computer, error) {
	m := computer{asked: c, s: s}
	if err := c.check(); err != nil {
		return m, err
	}
	o := c.asked()
	o.Turn = c.place.Turn
	if c.place.Ranks > 1 && c.Threads == 0 {
		o.Threads = c.place.Threads // which changes no bit of the results
	}
	var err error
	if m.Machine, err = compute.Find(o); err != nil {
		return m, byFlag(err)
	}
	switch {
	case m.Passed != nil:
		s.note("note: computing on the CPU: %s\n", oneLine(reason(m.Passed)))
	case m.GPU != nil && m.GPU.Emulated:
		s.note("note: the GPU is emulated on the processor: good for tests, and slow\n")
	}
	return m, nil
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

// findAll is find for commands that compare: with --device auto the CPU, unless
// what was asked for is only the GPU's, and, where there is one, the GPU.
func (c computeOptions) findAll(s streams) ([]computer, error) {
	m, err := c.find(s)
	if err != nil {
		return nil, err
	}
	if m.GPU != nil && c.Device == "auto" && !c.lowers() && !c.profile {
		return []computer{m.onCPU(), m}, nil
	}
	return []computer{m}, nil
}

// onCPU is the processor beside the machine's GPU.
func (m computer) onCPU() computer {
	m.GPU = nil
	return m
}

// describe says in a line what an engine computes on.
func (m computer) describe(i engine.Info) string {
	if m.GPU != nil {
		return i.Engine + ": " + strings.Join(append([]string{deviceText(m.GPU)}, kernelsText(i)...), ", ")
	}
	parts := []string{i.Device, count(m.EngineThreads(), "thread")}
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
