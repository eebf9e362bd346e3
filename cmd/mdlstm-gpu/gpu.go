package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/train"
)

// reason is why there is no GPU, without saying again that there is none.
func reason(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), cuda.ErrNoDevice.Error()+": "))
}

// open makes the engine for a model, its parameters zero.
func (m computer) open(model *nn.Model) (engine.Engine, error) {
	began := time.Now()
	e, err := m.Open(model)
	if err != nil || m.GPU == nil {
		return e, err
	}
	return &starting{Engine: e, took: time.Since(began), say: func(took time.Duration) {
		if took >= slowStart && !m.GPU.Emulated {
			m.s.note("note: the GPU was ready after %.1f s: its driver compiles the kernels at their first use and keeps them, so the next start is faster\n", took.Seconds())
		}
	}}, nil
}

// slowStart is from when on a start is worth a word.
const slowStart = time.Second

// starting is an engine that measures how long it takes until it can compute:
// what its kernels need is compiled when it is made and with its first plan.
type starting struct {
	engine.Engine
	took time.Duration
	say  func(took time.Duration) // nil once it was told
}

func (e *starting) Plan(samples []grid.Shape, c engine.Capacity) (engine.Plan, error) {
	began := time.Now()
	p, err := e.Engine.Plan(samples, c)
	if err == nil && e.say != nil {
		e.say(e.took + time.Since(began))
		e.say = nil
	}
	return p, err
}

// deviceText is a GPU in a line.
func deviceText(d *cuda.Device) string {
	text := fmt.Sprintf("%s, compute capability %d.%d, %s, driver CUDA %d.%d", d.Name, d.Capability/10, d.Capability%10,
		cuda.FormatBytes(d.Memory), d.Driver/1000, d.Driver%1000/10)
	if d.Emulated {
		text += ", emulated"
	}
	return text
}

// kernelsText says which PTX and which kernels of mdlstm layers an engine runs.
func kernelsText(i engine.Info) []string {
	parts := []string{"PTX " + i.Settings["ptx"]}
	if p := i.Settings["precision"]; p != "" {
		parts = append(parts, p)
	}
	if families := kernelsUsed(i.Settings); len(families) > 0 {
		parts = append(parts, strings.Join(families, " and ")+" kernels")
	}
	return parts
}

// kernelsUsed lists the families of kernels in an engine's settings, which name
// the kernels of each layer: "layers.0 kernels".
func kernelsUsed(settings map[string]string) []string {
	families := map[string]bool{}
	for key, names := range settings {
		if !strings.HasSuffix(key, " kernels") {
			continue
		}
		family := string(gpu.KernelsWavefront)
		switch {
		case strings.Contains(names, "cluster_"):
			family = string(gpu.KernelsCluster)
		case strings.Contains(names, "sweep_"):
			family = string(gpu.KernelsSweep)
		}
		families[family] = true
	}
	return slices.Sorted(maps.Keys(families))
}

// sameKernels is the choice that continues a run to the same bits: the family
// that the run had on a GPU, if it had only one. Clusters give the bits of
// sweeps, which a GPU without them takes by itself where it can.
func sameKernels(i train.EngineInfo, d *cuda.Device) gpu.KernelFamily {
	used := kernelsUsed(i.Settings)
	if len(used) != 1 || d == nil || used[0] == string(gpu.KernelsCluster) && !d.Clusters {
		return gpu.KernelsAuto
	}
	return gpu.KernelFamily(used[0])
}

// kernelChoices says in a line a layer which kernels an engine's newest plan
// runs, and why; nothing where there is no choice.
func kernelChoices(e engine.Engine) []string {
	if s, ok := e.(*starting); ok {
		e = s.Engine
	}
	if g, ok := e.(interface{ Choices() []string }); ok {
		return g.Choices()
	}
	return nil
}
