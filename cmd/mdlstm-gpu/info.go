package main

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/host/nn"
)

type infoOptions struct {
	require, model string
}

func infoCommand(s streams) *cli.Command {
	var o infoOptions
	return command(spec{
		name: "info", brief: "say what this machine and build can do, or what a model is",
		about: "Prints the devices, the products (BLAS) and the vector unit that the build has, or with --model the layers and parameters of a model file.",
		examples: []string{
			"info",
			"info --require gpu            # exits 1 where there is none",
			"info --model runs/mine",
		},
	}, []option{
		{name: "require", arg: "cpu|gpu", usage: "fail unless this device can be used", dest: &o.require},
		{name: "model", arg: "MODEL", usage: "describe a model file, or the model of a run folder", dest: &o.model},
	}, func(_ *cli.Context, set given) error { return runInfo(o, set, s) })
}

func runInfo(o infoOptions, set given, s streams) error {
	if set["require"] {
		if err := oneOf("require", o.require, []string{"cpu", "gpu"}); err != nil {
			return err
		}
	}
	var err error
	if set["model"] {
		err = modelInfo(o.model, s)
	} else {
		err = machineInfo(s)
	}
	if err == nil && o.require == "gpu" {
		err = fmt.Errorf("--require gpu: this build has no GPU engine")
	}
	return err
}

// machineInfo prints what computes here. The engine is asked through the
// smallest model.
func machineInfo(s streams) error {
	m, err := nn.New(nn.Config{Input: 1, Head: nn.Head{Units: 1, Activation: nn.Linear}, Loss: nn.MSE,
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 1, Directions: []string{"+"}}}})
	if err != nil {
		return err
	}
	c := defaultCompute()
	e, err := c.open(m)
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
	p.line("gpu      none: this build has no GPU engine")
	p.line("go       %s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	p.line("version  %s", version)
	return p.err
}

// modelInfo prints a model's layers and tensors.
func modelInfo(path string, s streams) error {
	m, _, err := loadModel(path)
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
	return p.err
}
