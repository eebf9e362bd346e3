package main

import (
	"context"
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/nn"
)

// kernelTime is what a kernel takes of a step, or of a prediction.
type kernelTime struct {
	Kernel   string  `json:"kernel"`
	Launches int     `json:"launches"`
	MS       float64 `json:"ms"` // of all launches, median
}

// profileKernels times the kernels on an engine of its own, for it slows the steps.
func (o benchOptions) profileKernels(ctx context.Context, computer computer, m *nn.Model, batch *engine.Batch) ([]kernelTime, error) {
	e, err := computer.Open(m)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	g, ok := e.(*gpu.Engine)
	if !ok {
		return nil, fmt.Errorf("--profile: engine %s has no kernels to time", e.Info().Engine)
	}
	plan, err := o.prepare(e, m, batch)
	if err != nil {
		return nil, err
	}
	work := func() error { return learn(e, plan, batch) }
	if o.predict {
		work = o.forward(plan, batch)
	}
	var list []kernelTime
	millis := map[string][]float64{}
	warm := false
	_, err = repeat(ctx, o.seconds, func() error {
		if err := work(); err != nil {
			return err
		}
		times, err := g.KernelTimes()
		if err != nil || !warm { // the first one packs weights, and finds the device cold
			warm = true
			return err
		}
		for _, t := range times {
			if millis[t.Kernel] == nil {
				list = append(list, kernelTime{Kernel: t.Kernel, Launches: t.Launches})
			}
			millis[t.Kernel] = append(millis[t.Kernel], t.Milliseconds)
		}
		return nil
	})
	for i := range list {
		list[i].MS = median(millis[list[i].Kernel])
	}
	return list, err
}

// printProfile prints a line for each kernel, and their sum.
func printProfile(p *printer, list []kernelTime) {
	if len(list) == 0 {
		return
	}
	all := kernelTime{Kernel: "all"}
	wide := len("kernel")
	for _, k := range list {
		all.Launches += k.Launches
		all.MS += k.MS
		wide = max(wide, len(k.Kernel))
	}
	p.line("")
	p.line("%-*s  launches   µs each        ms  share", wide, "kernel")
	for _, k := range append(list, all) {
		p.line("%-*s  %8d  %8.1f  %8.3f  %4.0f%%", wide, k.Kernel, k.Launches, 1000*k.MS/float64(k.Launches), k.MS, 100*k.MS/all.MS)
	}
}
