package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/train"
	"mdlstm-gpu/kernels"
)

type infoOptions struct {
	require, model, size, device string
	batch                        int
}

func infoCommand(s streams) *cli.Command {
	o := infoOptions{device: "auto", batch: 16}
	return command(spec{
		name: "info", brief: "say what this machine and build can do, or what a model is",
		about: `Prints the devices, the products (BLAS), the vector unit and the GPU kernels that the build has, or with --model
the layers and parameters of a model file and the memory that a training step takes.`,
		examples: []string{
			"info",
			"info --require gpu            # exits 1 where there is none",
			"info --model runs/mine",
			"info --model runs/mine --size 64x64 --batch 256 --device gpu",
		},
	}, []option{
		{name: "require", arg: "cpu|gpu", usage: "fail unless this device can be used", dest: &o.require},
		{name: "model", arg: "MODEL", usage: "describe a model file, or the model of a run folder", dest: &o.model},
		{name: "size", arg: "8x8", usage: "beside --model: cells of a sample; without it the run's, or 8 along each axis", dest: &o.size},
		{name: "batch", arg: "N", usage: "beside --model: samples of a step; without it the run's, or 16", dest: &o.batch},
		{name: "device", arg: "auto|cpu|gpu", usage: "beside --model: whose memory", dest: &o.device},
	}, func(_ *cli.Context, set given) error { return runInfo(o, set, s) })
}

func runInfo(o infoOptions, set given, s streams) error {
	if set["require"] {
		if err := oneOf("require", o.require, []string{"cpu", "gpu"}); err != nil {
			return err
		}
	}
	for _, flag := range []string{"size", "batch", "device"} {
		if set[flag] && !set["model"] {
			return usagef("--%s goes with --model", flag)
		}
	}
	if set["model"] {
		if err := modelInfo(o, set, s); err != nil {
			return err
		}
	} else if err := machineInfo(s); err != nil {
		return err
	}
	if o.require == "gpu" {
		if _, err := cuda.FirstUsable(); err != nil {
			return fmt.Errorf("--require gpu: %w", err)
		}
	}
	return nil
}

// machineInfo prints what computes here. The engine of the CPU is asked through
// the smallest model.
func machineInfo(s streams) error {
	m, err := nn.New(nn.Config{Input: 1, Head: nn.Head{Units: 1, Activation: nn.Linear}, Loss: nn.MSE,
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 1, Directions: []string{"+"}}}})
	if err != nil {
		return err
	}
	e, err := computer{asked: defaultCompute(), s: s}.open(m)
	if err != nil {
		return err
	}
	defer e.Close()
	i := e.Info()
	p := &printer{w: s.out}
	p.line("cpu      %s", i.Device)
	p.line("cores    %d of %d", runtime.GOMAXPROCS(0), runtime.NumCPU())
	p.line("blas     %s", builtBLAS())
	p.line("vector   %s", i.Settings["vector"])
	for _, line := range gpuLines() {
		p.line("gpu      %s", line)
	}
	p.line("ptx      %s, for drivers from %s", strings.Join(builtPTX(), ", "), cuda.MinDriverName)
	p.line("kernels  %s", builtKernels())
	p.line("go       %s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	p.line("version  %s", version)
	return p.err
}

// gpuLines are the GPUs of this machine, or why there is none.
func gpuLines() []string {
	devices, err := cuda.Devices()
	switch {
	case errors.Is(err, cuda.ErrNoDevice):
		return []string{"none: " + oneLine(reason(err))}
	case err != nil:
		return []string{"none: " + oneLine(err)}
	}
	var lines []string
	for i := range devices {
		line := fmt.Sprintf("%d: %s", devices[i].Ordinal, deviceText(&devices[i]))
		if err := devices[i].Usable(); err != nil {
			line += fmt.Sprintf(" (cannot be used: compute capability %d.%d or newer is needed)", cuda.MinCapability/10, cuda.MinCapability%10)
		}
		lines = append(lines, line)
	}
	return lines
}

// builtPTX lists the variants of PTX in the build.
func builtPTX() []string {
	variants := map[int]bool{}
	for _, file := range kernels.Files() {
		for _, v := range kernels.Variants(file) {
			variants[v] = true
		}
	}
	var names []string
	for _, v := range slices.Sorted(maps.Keys(variants)) {
		names = append(names, fmt.Sprintf("compute_%d", v))
	}
	return names
}

// builtKernels counts the kernels of each source file.
func builtKernels() string {
	in := map[string]int{}
	for _, e := range kernels.Entries() {
		in[e.File]++
	}
	var parts []string
	for _, file := range kernels.Files() {
		parts = append(parts, fmt.Sprintf("%s %d", file, in[file]))
	}
	return fmt.Sprintf("%d: %s", len(kernels.Entries()), strings.Join(parts, ", "))
}

// modelInfo prints a model's layers and tensors, and the memory of a step.
func modelInfo(o infoOptions, set given, s streams) error {
	m, _, err := loadModel(o.model)
	if err != nil {
		return err
	}
	batch, err := o.shapes(m, set)
	if err != nil {
		return err
	}
	p := &printer{w: s.out}
	p.line("view    %s", m.Config.View)
	p.line("input   %s", count(m.Config.Input, "channel"))
	for i, l := range m.Config.Layers {
		p.line("layer %d %s", i, layerText(l))
	}
	p.line("head    %s, %s", count(m.Config.Head.Units, "unit"), m.Config.Head.Activation)
	p.line("loss    %s", m.Config.Loss)
	p.line("")
	width := len("tensor")
	for _, t := range m.Params {
		width = max(width, len(t.Name))
	}
	p.line("%-*s  %-18s  %10s", width, "tensor", "shape", "values")
	for _, t := range m.Params {
		p.line("%-*s  %-18s  %10d", width, t.Name, shapeText(t.Shape), t.Size())
	}
	p.line("%-*s  %-18s  %10d", width, "all", "", m.Size())
	p.line("%s in float32", formatBytes(4*int64(m.Size())))
	p.line("")
	if p.err != nil {
		return p.err
	}
	return o.memory(m, batch, s)
}

// shapes are the samples whose memory is asked for.
func (o infoOptions) shapes(m *nn.Model, set given) ([]grid.Shape, error) {
	batch, text := o.batch, strings.Join(slices.Repeat([]string{"8"}, axesIn(m.Config)), "x")
	if record, err := train.ReadRecord(filepath.Clean(o.model)); err == nil {
		if !set["batch"] {
			batch = record.Settings.Batch
		}
		if size := record.Settings.Data["size"]; size != "" {
			text = size
		}
	}
	if set["size"] {
		text = o.size
	}
	size, err := grid.ParseShape(text)
	switch {
	case err != nil:
		return nil, usagef("--size: %w", err)
	case m.Axes() != nn.AnyAxes && m.Axes() != len(size):
		return nil, usagef("--size %s: the model takes %s: give a length for each", text, axesOf(m.Axes()))
	case batch < 1:
		return nil, usagef("--batch %d: must be at least 1 sample", batch)
	case size.Cells() > grid.MaxRows/batch:
		return nil, usagef("--size %s: %d samples have more than %d cells: choose a smaller --size or --batch", text, batch, grid.MaxRows)
	}
	return sameSize(size, batch)
}

// axesIn is how many axes a model's input has; 2 where a view takes any.
func axesIn(c nn.Config) int {
	for _, l := range c.Layers {
		if c.View == nn.ViewGrid && l.Type == nn.TypeMDLSTM {
			return len(l.Directions[0])
		}
		if l.Type == nn.TypeSum {
			break
		}
	}
	return 2
}

// memory prints what a training step takes on a device, for each row and in all.
func (o infoOptions) memory(m *nn.Model, batch []grid.Shape, s streams) error {
	c := defaultCompute()
	c.Device = o.device
	computer, err := c.find(s)
	if err != nil {
		return err
	}
	e, err := computer.open(m)
	if err != nil {
		return err
	}
	defer e.Close()
	plan, err := e.Plan(batch, engine.Capacity{})
	if err != nil {
		return err
	}
	total, perRow := plan.Bytes()
	p := &printer{w: s.out}
	p.line("device      %s", computer.describe(e.Info()))
	for _, line := range kernelChoices(e) {
		p.line("kernels     %s", line)
	}
	p.line("parameters  %s with gradients and the optimizer's moments", formatBytes(16*int64(m.Size())))
	p.line("state       %.0f bytes a row (a cell of a sample)", perRow)
	p.line("in all      %s for %s of %s", formatBytes(total), count(len(batch), "sample"), batch[0])
	return p.err
}
