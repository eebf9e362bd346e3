package cpu

import (
	"fmt"
	"slices"
	"sync/atomic"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/batch"
	"mdlstm-gpu/host/grid"
)

// plan holds the stages of a model with room for batches up to a capacity.
type plan struct {
	e        *Engine
	capacity engine.Capacity
	evicted  bool
	version  int64 // of the parameters that the stages have packed

	predict   bool // forward only: see slab.go
	recompute bool // see recurrent_recompute.go
	inFile    bool // slabs are mapped files
	slabs     [slabCount]slab
	fields    []*field // that lie in them
	turn      int      // slab of the field made last

	input    *field
	stages   []stage
	dropouts []*dropoutStage
	loss     *lossStage
	begin    []int32 // [samples+1] where each sample of the batch begins, in packed cells

	in, out *grid.Schedule
	loaded  bool
	pass    pass
	weight  float64

	source              *engine.Batch // while Load runs
	result              []float32     // while Predict runs
	bad                 atomic.Bool
	inputJob, outputJob func(task, worker int)
}

// packer is a stage that keeps the parameters in a form of its own.
type packer interface{ refresh(params []float32) }

// Plan returns a plan for batches like samples. See [engine.Engine].
func (e *Engine) Plan(samples []grid.Shape, least engine.Capacity) (engine.Plan, error) {
	need, err := batch.Needs(e.model, samples)
	if err != nil {
		return nil, err
	}
	want := engine.Capacity{
		Rows: max(need.Rows, least.Rows), Wavefronts: max(need.Wavefronts, least.Wavefronts), Samples: max(need.Samples, least.Samples),
	}
	for i := len(e.plans) - 1; i >= 0; i-- {
		if p := e.plans[i]; batch.Fits(want, p.capacity) && (least.Predict || !p.predict) {
			e.plans = append(slices.Delete(e.plans, i, i+1), p)
			return p, nil
		}
	}
	room := roomFor(samples, need, want)
	inFile := false
	if least.Predict {
		inFile, err = e.affordableToPredict(room)
	} else {
		err = e.affordable(room)
	}
	if err != nil {
		return nil, err
	}
	p, err := e.newPlan(want, least.Predict, inFile)
	if err != nil {
		return nil, err
	}
	if err := p.bind(room); err != nil {
		p.free()
		return nil, err
	}
	if len(e.plans) == engine.PlanLimit {
		e.plans[0].evicted = true
		e.plans[0].free()
		e.plans = slices.Delete(e.plans, 0, 1)
	}
	e.plans = append(e.plans, p)
	return p, nil
}

// roomFor repeats samples until they take as much as want asks for.
func roomFor(samples []grid.Shape, need, want engine.Capacity) []grid.Shape {
	room := slices.Clone(samples)
	for need.Rows < want.Rows || need.Samples < want.Samples {
		s := samples[len(room)%len(samples)]
		room = append(room, s)
		need.Rows += s.Cells()
		need.Samples++
	}
	return room
}

func (e *Engine) newPlan(capacity engine.Capacity, predict, inFile bool) (*plan, error) {
	p := &plan{e: e, capacity: capacity, version: -1, predict: predict, recompute: e.options.Recompute && !predict, inFile: inFile, turn: slabOdd}
	p.input = &field{width: e.model.Config.Input}
	if predict {
		p.input = p.inSlab(e.model.Config.Input, slabInput)
	}
	at := p.input
	for i := range e.model.Stages {
		st := &e.model.Stages[i]
		if st.Type == "sum" {
			s := newSumStage(p, st.Name, st.Axis, at)
			p.stages, at = append(p.stages, s), s.out
			continue
		}
		if st.Window != nil {
			s := newWindowStage(p, st.Window, at)
			p.stages, at = append(p.stages, s), s.out
		}
		if st.Dropout > 0 && !predict {
			s := newDropoutStage(e, st.Layer, st.Dropout, at)
			p.stages, p.dropouts, at = append(p.stages, s), append(p.dropouts, s), s.out
		}
		if st.Type == "mdlstm" {
			s, err := newRecurrentStage(p, i, at)
			if err != nil {
				return nil, err
			}
			p.stages, at = append(p.stages, s), s.out
			continue
		}
		activation := st.Activation
		if st.Head && e.model.Config.Loss != "mse" {
			activation = "linear" // the loss wants logits
		}
		s := newDenseStage(p, i, at, activation)
		p.stages, at = append(p.stages, s), s.out
	}
	p.loss = newLossStage(p, at)
	p.inputJob, p.outputJob = p.copyInput, p.copyOutput
	return p, nil
}

// bind makes the schedules of a batch current.
func (p *plan) bind(samples []grid.Shape) error {
	for i := range p.slabs {
		p.slabs[i].need = 0 // of a batch that found no room
	}
	view := p.e.model.Config.View
	shapes := samples
	if view != "" && view != grid.ViewGrid {
		var err error
		if shapes, err = grid.View(view, samples); err != nil {
			return err
		}
	}
	in, err := p.e.grids.Get(shapes)
	if err != nil {
		return err
	}
	p.begin = append(p.begin[:0], 0)
	for _, s := range samples {
		p.begin = append(p.begin, p.begin[len(p.begin)-1]+int32(s.Cells()))
	}
	if in != p.in || p.predict {
		p.in = in
		p.input.resize(in.Rows)
	}
	at := in
	for _, s := range p.stages {
		if at, err = s.bind(at); err != nil {
			return err
		}
		if d, ok := s.(*dropoutStage); ok {
			begin := at.First
			if view == grid.ViewRows || view == grid.ViewSnake {
				begin = p.begin
			}
			d.number(begin)
		}
	}
	p.out = at
	p.loss.bind(at)
	return p.place()
}

// Load copies a batch in. See [engine.Plan].
func (p *plan) Load(b *engine.Batch) (float64, error) {
	p.loaded = false
	if p.evicted {
		return 0, fmt.Errorf("this plan was dropped after %d newer ones: ask the engine for it again", engine.PlanLimit)
	}
	need, err := batch.Needs(p.e.model, b.Samples)
	if err != nil {
		return 0, err
	}
	if err := batch.Within(need, p.capacity); err != nil {
		return 0, err
	}
	if want := need.Rows * p.input.width; len(b.X) != want {
		return 0, fmt.Errorf("%w: x has %d values, want %d (%d cells of %d channels)", engine.ErrShape, len(b.X), want, need.Rows, p.input.width)
	}
	if err := p.bind(b.Samples); err != nil {
		return 0, err
	}
	p.input.zero()
	p.source = b
	p.bad.Store(false)
	p.e.pool.run(chunks(p.in.Rows), p.inputJob)
	p.source = nil
	if p.bad.Load() {
		return 0, batch.Inputs(p.input.data, b, p.input.width, p.in) // finds the place
	}
	if p.weight, err = p.loss.load(b); err != nil {
		return 0, err
	}
	p.pass.first = b.First
	p.loaded = true
	return p.weight, nil
}

// copyInput brings a chunk of rows from packed order and looks at each value.
func (p *plan) copyInput(task, _ int) {
	from, to := chunk(task, p.in.Rows)
	k := p.input.width
	var sum float32 // 0 exactly when all values are finite
	for r := from; r < to; r++ {
		x := p.source.X[int(p.in.Cell[r])*k:][:k]
		for i, v := range x {
			p.input.data[r*k+i] = v
			sum += v - v
		}
	}
	if sum != 0 {
		p.bad.Store(true)
	}
}

func (p *plan) ready() error {
	if p.evicted {
		return fmt.Errorf("this plan was dropped after %d newer ones: ask the engine for it again", engine.PlanLimit)
	}
	if !p.loaded {
		return fmt.Errorf("%w: no batch is loaded", engine.ErrData)
	}
	return nil
}

// refresh packs the parameters, where they have changed.
func (p *plan) refresh() {
	if p.version != p.e.version {
		for _, s := range p.stages {
			if s, ok := s.(packer); ok {
				s.refresh(p.e.params)
			}
		}
		p.version = p.e.version
	}
}

func (p *plan) forward() {
	p.refresh()
	for _, s := range p.stages {
		s.forward(&p.pass)
	}
}

// Gradients adds the gradients of the loaded batch. See [engine.Plan].
func (p *plan) Gradients(a engine.Pass) (engine.Loss, error) {
	if err := p.ready(); err != nil {
		return engine.Loss{}, err
	}
	if p.predict {
		return engine.Loss{}, fmt.Errorf("%w: this plan has room to predict only: ask for one whose capacity does not say Predict", engine.ErrShape)
	}
	if !p.loss.targets {
		return engine.Loss{}, fmt.Errorf("%w: the batch has no targets to learn from", engine.ErrData)
	}
	if a.Normaliser == 0 {
		a.Normaliser = p.weight
	}
	scale := 0.0 // a batch in which no cell counts has no gradient
	if a.Normaliser != 0 {
		scale = 1 / a.Normaliser
	}
	p.pass.train, p.pass.seed, p.pass.step = true, a.Seed, a.Step
	p.forward()
	loss := p.loss.run(true, scale)
	for i := len(p.stages) - 1; i >= 0; i-- {
		p.stages[i].backward(&p.pass)
	}
	return loss, nil
}

// Predict runs forward. See [engine.Plan].
func (p *plan) Predict(out []float32) (engine.Loss, error) {
	if err := p.ready(); err != nil {
		return engine.Loss{}, err
	}
	if want := p.out.Rows * p.loss.units; out != nil && len(out) != want {
		return engine.Loss{}, fmt.Errorf("%w: room for %d outputs, want %d (%d cells of %d units)", engine.ErrShape, len(out), want, p.out.Rows, p.loss.units)
	}
	p.pass.train = false
	p.forward()
	loss := p.loss.run(false, 0)
	if out != nil {
		p.result = out
		p.e.pool.run(chunks(p.out.Rows), p.outputJob)
		p.result = nil
	}
	return loss, nil
}

func (p *plan) copyOutput(task, _ int) {
	from, to := chunk(task, p.out.Rows)
	n := p.loss.units
	for r := from; r < to; r++ {
		copy(p.result[int(p.out.Cell[r])*n:][:n], p.loss.in.data[r*n:])
	}
}

// Bytes is the memory of the plan's buffers, in files too, and of the schedules bound last.
func (p *plan) Bytes() (int64, float64) {
	n := p.input.bytes() + p.loss.bytes()
	for i := range p.slabs {
		n += 4 * int64(len(p.slabs[i].data))
	}
	for _, s := range p.stages {
		n += s.bytes()
	}
	n += scheduleBytes(p.in)
	if p.predict {
		n += p.mirrorBytes()
	}
	return n, float64(n) / float64(p.capacity.Rows)
}

// mirrorBytes is the memory of the directions' tables, of which layers on one
// grid share one each. Little beside what a plan for training has, they count
// here.
func (p *plan) mirrorBytes() (n int64) {
	seen := map[*int32]bool{}
	for _, s := range p.stages {
		if s, ok := s.(*recurrentStage); ok {
			for i := range s.dirs {
				if table := s.dirs[i].input; !seen[&table[0]] {
					seen[&table[0]] = true
					n += 4 * int64(len(table))
				}
			}
		}
	}
	return n
}
