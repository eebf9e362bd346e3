package main

import (
	"errors"
	"runtime"
	"strings"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/cpu/openblas"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/train"
)

// maxThreads bounds --threads: beyond it a typing error is likelier than a
// machine.
const maxThreads = 4096

// computeOptions say what computes.
type computeOptions struct {
	Device  string `toml:"device"`
	BLAS    string `toml:"blas"`
	Threads int    `toml:"threads"`
}

func defaultCompute() computeOptions { return computeOptions{Device: "auto", BLAS: "auto"} }

func (c *computeOptions) options() []option {
	return []option{
		{name: "device", arg: "auto|cpu|gpu", group: "Machine", usage: "what computes; this build knows the CPU only", dest: &c.Device},
		{name: "threads", arg: "N", group: "Machine", usage: "processor cores to use, 0 = all; the results do not depend on it", dest: &c.Threads},
		{name: "blas", arg: "NAME", group: "Machine", usage: "matrix products of the CPU: gonum, openblas, or auto, which takes openblas where it is built in", dest: &c.BLAS},
	}
}

// check refuses values that no build knows.
func (c computeOptions) check() error {
	if err := oneOf("device", c.Device, []string{"auto", "cpu", "gpu"}); err != nil {
		return err
	}
	if err := oneOf("blas", c.BLAS, []string{"auto", "gonum", "openblas"}); err != nil {
		return err
	}
	if c.Threads < 0 || c.Threads > maxThreads {
		return usagef("--threads %d: want 0 (all cores) to %d", c.Threads, maxThreads)
	}
	return nil
}

// available refuses what this build or machine does not have.
func (c computeOptions) available() error {
	if c.Device == "gpu" {
		return errors.New("--device gpu: this build has no GPU engine: use --device cpu")
	}
	if _, _, ok := openblas.Implementation(); c.BLAS == "openblas" && !ok {
		return errors.New("--blas openblas: this build has no OpenBLAS: use --blas gonum, or build with -tags openblas (needs a C compiler and libopenblas)")
	}
	return nil
}

// open makes the engine for a model, its parameters zero.
func (c computeOptions) open(m *nn.Model) (engine.Engine, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := c.available(); err != nil {
		return nil, err
	}
	o := cpu.Options{Threads: c.Threads}
	if blas, name, ok := openblas.Implementation(); ok && c.BLAS != "gonum" {
		o.BLAS, o.BLASName = blas, name
	}
	return cpu.New(m, o)
}

// threads is how many cores are used.
func (c computeOptions) threads() int {
	if c.Threads == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return c.Threads
}

// describe says in a line what an engine computes on.
func (c computeOptions) describe(i engine.Info) string {
	parts := []string{i.Device, count(c.threads(), "thread")}
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

// sameBLAS is the choice that continues a run to the same bits: gonum where the
// run had it, else what this build has.
func sameBLAS(i train.EngineInfo) string {
	if i.Settings["blas"] == "gonum" {
		return "gonum"
	}
	return "auto"
}
