package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// refEngine is engine.Engine over host/ref: what the suite says about itself.
// fault names one thing that it does wrong, "" none; see faults.
type refEngine struct {
	m     *nn.Model
	fault string
	p     []float32
	arena []float64
	opt   ref.Optimizer
	calls int
	plan  *refPlan // the newest
}

var _ engine.Engine = (*refEngine)(nil)

func openRef(fault string) Open {
	return func(_ testing.TB, m *nn.Model) engine.Engine {
		return &refEngine{m: m, fault: fault, p: make([]float32, m.Size()), arena: make([]float64, m.Size())}
	}
}

func (e *refEngine) Info() engine.Info { return engine.Info{Engine: "ref", Device: e.device()} }
func (e *refEngine) device() string {
	if e.fault == "nameless" {
		return ""
	}
	return "float64"
}
func (e *refEngine) Model() *nn.Model { return e.m }
func (e *refEngine) Close() error     { return nil }

func (e *refEngine) sameLength(what string, got, want int) error {
	if got != want && e.fault != "any length" {
		return fmt.Errorf("%s: %d values, want %d: %w", what, got, want, engine.ErrShape)
	}
	return nil
}

func (e *refEngine) Parameters(dst []float32) error {
	copy(dst, e.p)
	return e.sameLength("parameters", len(dst), len(e.p))
}

func (e *refEngine) SetParameters(src []float32) error {
	copy(e.p, src)
	return e.sameLength("parameters", len(src), len(e.p))
}

func (e *refEngine) Gradients(dst []float32) error {
	copy(dst, narrow(e.arena))
	return e.sameLength("gradients", len(dst), len(e.p))
}

func (e *refEngine) SetGradients(src []float32) error {
	if err := e.sameLength("gradients", len(src), len(e.p)); err != nil {
		return err
	}
	for i, g := range src {
		if e.fault == "SetGradients adds" {
			e.arena[i] += float64(g)
		} else {
			e.arena[i] = float64(g)
		}
	}
	return nil
}

func (e *refEngine) Reduce(from, to int, r engine.Reducer) error {
	if from < 0 || to < from || to > len(e.arena) {
		return engine.ErrShape
	}
	values := narrow(e.arena)
	part := values[from:to]
	if e.fault == "reduces all" {
		part = values
	}
	if err := r.Reduce(part); err != nil && e.fault != "errors of Reduce lost" {
		return err
	}
	if e.fault == "reduced and forgotten" {
		return nil
	}
	return e.SetGradients(values)
}

func (e *refEngine) ZeroGradients() error {
	clear(e.arena)
	return nil
}

func (e *refEngine) Update(u engine.Update) (engine.UpdateResult, error) {
	if u.Optimizer != engine.Adam && u.Optimizer != engine.SGD && e.fault != "any optimizer" {
		return engine.UpdateResult{}, fmt.Errorf("optimizer %q: want adam or sgd", u.Optimizer)
	}
	e.opt.Rule, e.opt.LR, e.opt.Momentum = string(u.Optimizer), u.LR, u.Momentum
	e.opt.Clip, e.opt.Scale = u.Clip, u.Scale
	switch e.fault {
	case "any optimizer":
		e.opt.Rule = "sgd"
	case "clip ignored":
		e.opt.Clip = 0
	case "scale ignored":
		e.opt.Scale = 0
	case "momentum ignored":
		e.opt.Momentum = 0
	case "no bias correction":
		e.opt.Updates += 1000
	case "NaN taken as zero":
		for i, g := range e.arena {
			if math.IsNaN(g) {
				e.arena[i] = 0
			}
		}
	}
	params := byName(e.m, widen(e.p))
	norm, finite, err := e.opt.Update(params, byName(e.m, e.arena))
	if err != nil {
		return engine.UpdateResult{}, err
	}
	if finite || e.fault == "clears a bad arena" {
		e.p = narrow(flat(e.m, params))
		if e.fault != "arena kept" {
			clear(e.arena)
		}
	}
	if !finite && e.fault == "a bad update counts" {
		e.opt.Updates++
	}
	if e.fault == "wrong norm" {
		norm *= 1.001
	}
	return engine.UpdateResult{Norm: norm, Finite: finite}, nil
}

func (e *refEngine) Moments(m, v []float32) (int64, error) {
	if err := errors.Join(e.sameLength("m", len(m), len(e.p)), e.sameLength("v", len(v), len(e.p))); err != nil {
		return 0, err
	}
	clear(m)
	clear(v)
	if e.opt.V != nil && len(m) == len(e.p) && len(v) == len(e.p) {
		copy(m, narrow(flat(e.m, e.opt.M)))
		copy(v, narrow(flat(e.m, e.opt.V)))
		// What leaves is what stays, or a second engine could not go on to the same bits.
		e.opt.M, e.opt.V = byName(e.m, widen(m)), byName(e.m, widen(v))
	}
	return e.opt.Updates, nil
}

func (e *refEngine) SetMoments(m, v []float32, updates int64) error {
	if err := errors.Join(e.sameLength("m", len(m), len(e.p)), e.sameLength("v", len(v), len(e.p))); err != nil {
		return err
	}
	if len(m) < len(e.p) || len(v) < len(e.p) {
		return nil // with the fault "any length" only
	}
	e.opt.M, e.opt.V, e.opt.Updates = byName(e.m, widen(m)), byName(e.m, widen(v)), updates
	if e.fault == "moments forgotten" {
		clear(e.opt.V["head.weight"])
	}
	return nil
}

func (e *refEngine) Buckets() []engine.Bucket {
	ready := func(context.Context) error { return nil }
	n := e.m.Size()
	from := n / 2
	switch e.fault {
	case "buckets overlap":
		from--
	case "buckets with a gap":
		from++
	}
	return []engine.Bucket{{From: from, To: n, Ready: ready}, {From: 0, To: n / 2, Ready: ready}}
}

func (e *refEngine) Plan(samples []grid.Shape, capacity engine.Capacity) (engine.Plan, error) {
	need, err := e.need(samples)
	if err != nil && e.fault != "any shape" {
		return nil, err
	}
	room := engine.Capacity{
		Rows:       max(need.Rows, capacity.Rows),
		Wavefronts: max(need.Wavefronts, capacity.Wavefronts),
		Samples:    max(need.Samples, capacity.Samples),
	}
	if e.plan == nil || !e.plan.holds(room) || e.fault == "a new plan each time" {
		e.plan = &refPlan{e: e, room: room, large: capacity.Rows > 0, predicts: capacity.Predict}
	}
	return e.plan, nil
}

// need is the room for some samples, counted by a plain walk.
func (e *refEngine) need(samples []grid.Shape) (engine.Capacity, error) {
	var c engine.Capacity
	for n, shape := range samples {
		if _, err := e.m.OutputShape(shape); err != nil {
			return c, fmt.Errorf("sample %d: %w: %w", n, engine.ErrShape, err)
		}
		for _, size := range shape {
			if size > 1<<20 {
				return c, fmt.Errorf("sample %d: %v: %w", n, shape, engine.ErrShape)
			}
		}
		c.Rows += cells(shape)
		last := 1
		for _, size := range shape {
			last += size - 1
		}
		sequences := 1
		switch e.m.Config.View {
		case nn.ViewSnake:
			last = cells(shape)
		case nn.ViewRows:
			last = shape[len(shape)-1]
			sequences = cells(shape) / last
		}
		c.Wavefronts, c.Samples = max(c.Wavefronts, last), c.Samples+sequences
	}
	return c, nil
}

type refPlan struct {
	e        *refEngine
	room     engine.Capacity
	large    bool
	predicts bool
	batch    *engine.Batch
	ref      ref.Batch
}

func (p *refPlan) holds(c engine.Capacity) bool {
	return c.Rows <= p.room.Rows && c.Wavefronts <= p.room.Wavefronts && c.Samples <= p.room.Samples || p.e.fault == "one plan for all"
}

func (p *refPlan) Load(b *engine.Batch) (float64, error) {
	if err := p.check(b); err != nil && p.e.fault != "loads anything" {
		if p.e.fault == "wrong sentinel" {
			return 0, fmt.Errorf("%v: %w", err, engine.ErrMemory)
		}
		return 0, err
	}
	if p.e.fault == "writes into x" {
		b.X[0] = 0
	}
	p.batch = copyOf(b)
	if p.e.fault == "keeps the caller's batch" {
		p.batch = b
	}
	rb, err := toRef(p.e.m, p.batch)
	if err != nil {
		return 0, err
	}
	p.ref = rb
	r, err := ref.Forward(p.e.m.Config, byName(p.e.m, widen(p.e.p)), rb, ref.Options{})
	if p.e.fault == "wrong weight" {
		r.Weight++
	}
	return r.Weight, err
}

// check refuses what the interface says that Load refuses.
func (p *refPlan) check(b *engine.Batch) error {
	need, err := p.e.need(b.Samples)
	if err != nil {
		return err
	}
	if !p.holds(need) {
		return fmt.Errorf("batch needs %+v, the plan has %+v: %w", need, p.room, engine.ErrShape)
	}
	c, out := p.e.m.Config, 0
	for _, shape := range b.Samples {
		o, err := p.e.m.OutputShape(shape)
		if err != nil {
			return err
		}
		out += cells(o)
	}
	var errs []error
	errs = append(errs, p.e.sameLength("x", len(b.X), need.Rows*c.Input))
	if b.Y != nil {
		errs = append(errs, p.e.sameLength("y", len(b.Y), out*c.Head.Units))
	}
	if b.Class != nil {
		errs = append(errs, p.e.sameLength("class", len(b.Class), out))
	}
	bad := func(i int, v any) { errs = append(errs, fmt.Errorf("value %d: %v: %w", i, v, engine.ErrData)) }
	for i, x := range b.X {
		if v := float64(x); math.IsNaN(v) || math.IsInf(v, 0) {
			bad(i, x)
		}
	}
	for i, y := range b.Y {
		if math.IsNaN(float64(y)) && c.Loss == nn.BinaryCrossEntropy {
			bad(i, y)
		}
	}
	for i, class := range b.Class {
		ignored := c.IgnoreIndex != nil && int(class) == *c.IgnoreIndex
		if !ignored && (class < 0 || int(class) >= c.Head.Units) {
			bad(i, class)
		}
	}
	for _, cell := range b.Relevant {
		if cell < 0 || int(cell) >= out {
			errs = append(errs, fmt.Errorf("relevant cell %d of %d: %w", cell, out, engine.ErrShape))
		}
	}
	return errors.Join(errs...)
}

// config is the model's, with the fault's changes.
func (p *refPlan) config() nn.Config {
	c := p.e.m.Config
	c.Layers = slices.Clone(c.Layers)
	for i := range c.Layers {
		l := &c.Layers[i]
		l.Directions = slices.Clone(l.Directions)
		switch p.e.fault {
		case "directions swapped":
			slices.Reverse(l.Directions)
		case "directions mirrored":
			for q, d := range l.Directions {
				l.Directions[q] = strings.NewReplacer("+", "-", "-", "+").Replace(d)
			}
		case "forget_bias ignored":
			l.ForgetBias = 0
		case "combine ignored":
			if l.Combine == nn.CombineMean {
				l.Combine = nn.CombineSum
			}
		}
	}
	switch p.e.fault {
	case "class weights ignored":
		c.ClassWeights = nil
	case "cell taken for another":
		for i := range c.Layers {
			if c.Layers[i].Cell == nn.CellStable {
				c.Layers[i].Cell = nn.CellLeakyLP
			}
		}
	}
	return c
}

func (p *refPlan) Gradients(pass engine.Pass) (engine.Loss, error) {
	e := p.e
	e.calls++
	if p.batch.Y == nil && p.batch.Class == nil && e.fault != "learns from nothing" {
		return engine.Loss{}, fmt.Errorf("the batch has no targets: %w", engine.ErrData)
	}
	o := ref.Options{Normaliser: pass.Normaliser, ClipErrors: true, Train: true, Seed: pass.Seed, Step: pass.Step}
	b, err := toRef(e.m, p.batch)
	if err != nil {
		return engine.Loss{}, err
	}
	switch e.fault {
	case "old plans are gone":
		if p != e.plan {
			return engine.Loss{}, errors.New("plan was dropped")
		}
	case "panics":
		panic("an engine's bug")
	case "normaliser ignored":
		o.Normaliser = 0
	case "clip_error ignored":
		o.ClipErrors = false
	case "no dropout":
		o.Train = false
	case "dropout key without step":
		o.Step = 0
	case "dropout by place in the batch":
		b.First = 0
	}
	r, g, err := ref.Gradients(p.config(), byName(e.m, widen(e.p)), b, o)
	if err != nil {
		return engine.Loss{}, err
	}
	add := flat(e.m, g)
	largest := 0
	for i, v := range add {
		if math.Abs(v) > math.Abs(add[largest]) {
			largest = i
		}
	}
	switch e.fault {
	case "gradient off by 1e-3":
		add[largest] *= 1 + 1e-3
	case "gradients overwrite":
		clear(e.arena)
	case "bits change from call to call":
		add[largest] *= 1 + 1e-6*float64(e.calls%3)
	case "bits depend on the room":
		if p.large {
			add[largest] *= 1 + 1e-6
		}
	case "bits depend on the cores":
		add[largest] *= 1 + 1e-6*float64(runtime.GOMAXPROCS(0))
	case "divides by zero":
		if r.Weight == 0 {
			add[0] = math.NaN()
		}
	case "loss from probabilities":
		if r.LossSum > 700 {
			r.LossSum = math.Inf(1)
		}
	case "NaN":
		r.LossSum = math.NaN()
	case "NaN swallowed":
		for i, v := range add {
			if math.IsNaN(v) {
				add[i] = 1
			}
		}
	case "sum off by 1e-4":
		r.LossSum *= 1 + 1e-4
	case "relevant cells forgotten":
		r.Relevant, r.RelevantCount = 0, 0
	}
	for i, v := range add {
		e.arena[i] = float64(float32(e.arena[i] + v)) // it is of float32, and overflows like it
	}
	return lossOf(r), nil
}

func lossOf(r ref.Result) engine.Loss {
	return engine.Loss{Sum: r.LossSum, Weight: r.Weight, Relevant: r.Relevant, RelevantCount: r.RelevantCount}
}

func (p *refPlan) Predict(out []float32) (engine.Loss, error) {
	o := ref.Options{}
	if p.e.fault == "dropout in predict" {
		o.Train = true
	}
	r, err := ref.Forward(p.config(), byName(p.e.m, widen(p.e.p)), p.ref, o)
	if err != nil {
		return engine.Loss{}, err
	}
	outputs := narrow(slices.Concat(r.Outputs...))
	switch p.e.fault {
	case "NaN":
		outputs[0] = float32(math.NaN())
	case "other bits to predict":
		if p.predicts {
			outputs[0] += 1e-6
		}
	case "an output off by 1e-4":
		outputs[len(outputs)-1] += 1e-4
	case "outputs not written":
		outputs = outputs[:len(outputs)-1]
		if len(out) > 0 {
			copy(out, outputs)
			return lossOf(r), nil
		}
	case "NaN at large inputs":
		for _, x := range p.batch.X {
			if math.Abs(float64(x)) > 1e9 {
				outputs[0] = float32(math.NaN())
			}
		}
	}
	if out == nil {
		return lossOf(r), nil
	}
	copy(out, outputs)
	return lossOf(r), p.e.sameLength("outputs", len(out), len(outputs))
}

func (p *refPlan) FindNonFinite() (string, error) {
	for n := len(p.e.m.Params) - 1; n >= 0; n-- {
		t := p.e.m.Params[n]
		for _, v := range p.e.arena[t.Offset : t.Offset+t.Size()] {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				if p.e.fault == "names no tensor" {
					return "somewhere", nil
				}
				return "gradient of " + t.Name, nil
			}
		}
	}
	return "", nil
}

func (p *refPlan) Bytes() (int64, float64) {
	if p.e.fault == "holds nothing" {
		return 0, 0
	}
	return 8 * int64(p.room.Rows), 8
}
