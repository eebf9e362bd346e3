package main

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
)

type benchOptions struct {
	modelOptions
	computeOptions
	size            string
	batch, channels int
	seconds         float64
	predict, json   bool
}

// minRepeats are the repetitions that a figure has at least.
const minRepeats = 5

func benchCommand(s streams) *cli.Command {
	o := benchOptions{modelOptions: defaultModel(), computeOptions: defaultCompute(), size: "8x8", batch: 16, channels: 1, seconds: 1}
	options := append([]option{
		{name: "size", arg: "8x8", group: "Data", usage: "cells of a sample, an axis each, rows first", dest: &o.size},
		{name: "batch", arg: "N", group: "Data", usage: "samples of a step", dest: &o.batch},
		{name: "channels", arg: "N", group: "Data", usage: "values of a cell", dest: &o.channels},
	}, o.layerOptions()...)
	options = append(options,
		option{name: "seconds", arg: "T", group: "Measuring", usage: "time for each of the two figures; at least 5 repetitions", dest: &o.seconds},
		option{name: "predict", group: "Measuring", usage: "time predictions alone, as predict makes them; --batch 1 is the latency of one sample", dest: &o.predict},
		option{name: "profile", group: "Measuring", usage: "also time each kernel of a step on the GPU, one launch after the other: their sum is more than a step, which is launched as one", dest: &o.profile},
		option{name: "json", group: "Measuring", usage: "print a list with an object for each engine", dest: &o.json},
	)
	options = append(options, o.computeOptions.options()...)
	options = append(options, o.recomputeOption())
	return command(spec{
		name: "bench", brief: "measure the speed of a training step",
		about: `Times a layer with a head of one unit on random data: step is load, forward, backward and Adam; forward is load and
forward. The figures are medians, with the fastest and the slowest beside them, and what 95 % of the repetitions stay below. With --device auto the CPU is measured and, where there is one, the GPU.`,
		examples: []string{
			"bench --size 32x256 --channels 16 --cell stable --directions all",
			"bench --threads 1 --blas gonum --json",
			"bench --predict --batch 1 --size 28x28 --directions all",
			"bench --device gpu --kernels wavefront",
		},
	}, options, func(ctx *cli.Context, _ given) error { return runBench(ctx.Context, o, s) })
}

// benchResult is what bench found for one engine; the JSON names are a contract.
// Where only predictions were timed, nothing is said of steps.
type benchResult struct {
	Engine   string            `json:"engine"`
	Device   string            `json:"device"`
	Kernels  map[string]string `json:"kernels"` // blas, vector, PTX, kernels of each layer …: what ran
	Threads  int               `json:"threads"` // 0: on a GPU
	Settings benchSettings     `json:"settings"`

	StepMS       float64 `json:"step_ms,omitempty"` // median
	StepMinMS    float64 `json:"step_min_ms,omitempty"`
	StepMaxMS    float64 `json:"step_max_ms,omitempty"`
	StepP95MS    float64 `json:"step_p95_ms,omitempty"`
	StepRepeats  int     `json:"step_repeats,omitempty"`
	ForwardMS    float64 `json:"forward_ms"` // median
	ForwardMinMS float64 `json:"forward_min_ms"`
	ForwardMaxMS float64 `json:"forward_max_ms"`
	ForwardP95MS float64 `json:"forward_p95_ms"`
	Repeats      int     `json:"forward_repeats"`

	CellsPerSecond float64 `json:"cells_per_second"` // of a step, or of a prediction
	Parameters     int     `json:"parameters"`
	Bytes          int64   `json:"bytes"` // of the batch's buffers
	BytesPerCell   float64 `json:"bytes_per_cell"`

	Profile []kernelTime `json:"profile,omitempty"` // of a step, or of a prediction, in order
}

type benchSettings struct {
	Cell       string   `json:"cell"`
	Size       []int    `json:"size"`
	Batch      int      `json:"batch"`
	Channels   int      `json:"channels"`
	Hidden     int      `json:"hidden"`
	Directions []string `json:"directions"`
	Predict    bool     `json:"predict"`   // by a plan that can do nothing else
	Precision  string   `json:"precision"` // of products; the CPU's is float32
}

// runBench measures and prints.
func runBench(ctx context.Context, o benchOptions, s streams) error {
	m, batch, err := o.problem()
	if err != nil {
		return err
	}
	machines, err := o.computeOptions.findAll(s)
	if err != nil {
		return err
	}
	var all []benchResult
	for _, computer := range machines {
		r, text, err := o.measure(ctx, computer, m, batch)
		if err == nil && o.profile {
			r.Profile, err = o.profileKernels(ctx, computer, m, batch)
		}
		if err != nil {
			return err
		}
		all = append(all, r)
		if o.json {
			continue
		}
		if err := o.print(r, text, s); err != nil {
			return err
		}
	}
	if !o.json {
		return nil
	}
	encoder := json.NewEncoder(s.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(all)
}

// measure times one machine, and describes its engine.
func (o benchOptions) measure(ctx context.Context, computer computer, m *nn.Model, batch *engine.Batch) (r benchResult, text string, err error) {
	computer.Profile = false
	e, err := computer.open(m)
	if err != nil {
		return r, "", err
	}
	defer e.Close()
	plan, err := o.prepare(e, m, batch)
	if err != nil {
		return r, "", err
	}
	layer, size := m.Config.Layers[0], batch.Samples[0]
	i := e.Info()
	r = benchResult{
		Engine: i.Engine, Device: i.Device, Kernels: i.Settings, Threads: computer.EngineThreads(), Parameters: m.Size(),
		Settings: benchSettings{layer.Cell, size, o.batch, o.channels, layer.Hidden, layer.Directions, o.predict, o.Precision},
	}
	if !o.predict {
		step, err := repeat(ctx, o.seconds, func() error { return learn(e, plan, batch) })
		if err != nil {
			return r, "", err
		}
		r.StepMS, r.StepMinMS, r.StepMaxMS = median(step), slices.Min(step), slices.Max(step)
		r.StepP95MS, r.StepRepeats = quantile(step, 0.95), len(step)
	}
	forward, err := repeat(ctx, o.seconds, o.forward(plan, batch))
	if err != nil {
		return r, "", err
	}
	r.ForwardMS, r.ForwardMinMS, r.ForwardMaxMS = median(forward), slices.Min(forward), slices.Max(forward)
	r.ForwardP95MS, r.Repeats = quantile(forward, 0.95), len(forward)
	millis := r.StepMS
	if o.predict {
		millis = r.ForwardMS
	}
	r.CellsPerSecond = float64(size.Cells()*o.batch) / millis * 1000
	r.Bytes, r.BytesPerCell = plan.Bytes()
	return r, computer.describe(i), nil
}

// prepare makes an engine's plan for the batch, and draws that.
func (o benchOptions) prepare(e engine.Engine, m *nn.Model, batch *engine.Batch) (engine.Plan, error) {
	if err := e.SetParameters(m.Init(1)); err != nil {
		return nil, err
	}
	plan, err := e.Plan(batch.Samples, engine.Capacity{Predict: o.predict})
	if err != nil {
		return nil, err
	}
	draw(batch, m)
	if o.predict {
		batch.Y = nil
	}
	return plan, nil
}

// learn is a training step.
func learn(e engine.Engine, plan engine.Plan, batch *engine.Batch) error {
	if _, err := plan.Load(batch); err != nil {
		return err
	}
	if _, err := plan.Gradients(engine.Pass{}); err != nil {
		return err
	}
	_, err := e.Update(engine.Update{Optimizer: engine.Adam, LR: 1e-3})
	return err
}

// forward computes the batch's outputs, and fetches them where somebody would wait
// for a prediction.
func (o benchOptions) forward(plan engine.Plan, batch *engine.Batch) func() error {
	var out []float32
	if o.predict {
		out = make([]float32, batch.Samples[0].Cells()*len(batch.Samples))
	}
	return func() error {
		if _, err := plan.Load(batch); err != nil {
			return err
		}
		_, err := plan.Predict(out)
		return err
	}
}

func (o benchOptions) print(r benchResult, text string, s streams) error {
	p := &printer{w: s.out}
	p.line("%s, %d hidden, %s, size %s, %s of %s", r.Settings.Cell, r.Settings.Hidden, count(len(r.Settings.Directions), "direction"),
		o.size, count(o.batch, "sample"), count(o.channels, "channel"))
	p.line("%s", text)
	if !o.predict {
		p.line("step     %8.3f ms  (%.3f to %.3f, 95 %% below %.3f, %d repetitions)", r.StepMS, r.StepMinMS, r.StepMaxMS, r.StepP95MS, r.StepRepeats)
	}
	p.line("forward  %8.3f ms  (%.3f to %.3f, 95 %% below %.3f, %d repetitions)", r.ForwardMS, r.ForwardMinMS, r.ForwardMaxMS, r.ForwardP95MS, r.Repeats)
	p.line("cells    %.3g a second", r.CellsPerSecond)
	p.line("memory   %s, %.0f bytes a cell; %s", formatBytes(r.Bytes), r.BytesPerCell, count(r.Parameters, "parameter"))
	printProfile(p, r.Profile)
	return p.err
}

// problem is the model and a batch without values yet: the engine may refuse
// the memory first.
func (o benchOptions) problem() (*nn.Model, *engine.Batch, error) {
	if err := o.computeOptions.check(); err != nil {
		return nil, nil, err
	}
	size, err := grid.ParseShape(o.size)
	switch {
	case err != nil:
		return nil, nil, usagef("--size: %w", err)
	case o.batch < 1:
		return nil, nil, usagef("--batch %d: must be at least 1 sample", o.batch)
	case o.channels < 1:
		return nil, nil, usagef("--channels %d: must be at least 1", o.channels)
	case size.Cells() > grid.MaxRows/o.batch/o.channels:
		return nil, nil, usagef("--size %s: %d samples with %d channels are more than %d values: choose a smaller --size, --batch or --channels", o.size, o.batch, o.channels, grid.MaxRows)
	case !(o.seconds > 0 && o.seconds <= 3600):
		return nil, nil, usagef("--seconds %v: want more than 0, at most 3600", o.seconds)
	}
	config, err := o.modelOptions.config(task.Spec{Axes: len(size), Input: o.channels, Units: 1, Activation: nn.Sigmoid, Loss: nn.MSE})
	if err != nil {
		return nil, nil, err
	}
	m, err := nn.New(config)
	if err != nil {
		return nil, nil, err
	}
	samples, err := sameSize(size, o.batch)
	return m, &engine.Batch{Samples: samples}, err
}

// draw fills a batch with values in [0, 1).
func draw(b *engine.Batch, m *nn.Model) {
	rng := rand.New(rand.NewPCG(1, 1))
	cells := b.Samples[0].Cells() * len(b.Samples)
	b.X, b.Y = make([]float32, cells*m.Config.Input), make([]float32, cells)
	for i := range b.X {
		b.X[i] = rng.Float32()
	}
	for i := range b.Y {
		b.Y[i] = rng.Float32()
	}
}

// repeat runs work once to warm up, then for some seconds, and returns how many
// milliseconds each repetition took.
func repeat(ctx context.Context, seconds float64, work func() error) ([]float64, error) {
	if err := work(); err != nil {
		return nil, err
	}
	var millis []float64
	for began := time.Now(); len(millis) < minRepeats || time.Since(began).Seconds() < seconds; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := work(); err != nil {
			return nil, err
		}
		millis = append(millis, math.Max(float64(time.Since(start).Nanoseconds())/1e6, 1e-6))
	}
	return millis, nil
}

// quantile is the least of the values that the given share of them do not
// exceed; there is at least one value.
func quantile(values []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(share * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
