package gpu

import (
	"errors"
	"fmt"
	"slices"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/batch"
	"mdlstm-gpu/host/grid"
)

// plan holds the stages of a model with room for batches up to a capacity.
type plan struct {
	e        *Engine
	capacity engine.Capacity
	least    []room // that levels get, beyond what the capacity asks for
	evicted  bool

	// What build makes and release gives back.
	layout
	intake   *intake
	pinned   *cuda.Pinned // the host's copy of the scalars
	words    []uint32     // the same
	graphs   map[graphKey]*cuda.Graph
	measured *cuda.Event    // the loss is where the host reads it
	jobs     []*cuda.Memory // tables of reducing

	begin  []int32 // [samples+1] where samples begin in packed cells; nil without a view
	loaded bool
	first  int64 // Batch.First
	train  bool  // the last pass was one of training
	sent   []uint32
}

// Plan returns a plan for batches like samples. See [engine.Engine].
func (e *Engine) Plan(samples []grid.Shape, least engine.Capacity) (engine.Plan, error) {
	if err := e.open(); err != nil {
		return nil, err
	}
	need, err := batch.Needs(e.model, samples)
	if err != nil {
		return nil, err
	}
	want := engine.Capacity{
		Rows: max(need.Rows, least.Rows), Wavefronts: max(need.Wavefronts, least.Wavefronts), Samples: max(need.Samples, least.Samples),
	}
	for i, p := range slices.Backward(e.plans) {
		if batch.Fits(want, p.capacity) {
			e.plans = append(slices.Delete(e.plans, i, i+1), p)
			return p, nil
		}
	}
	p := &plan{e: e, capacity: want}
	if err := p.build(samples); err != nil {
		return nil, err
	}
	in, err := p.schedule(samples)
	if err == nil {
		err = p.link(in) // so that Info can tell which kernels run
	}
	if err != nil {
		return nil, errors.Join(err, p.release())
	}
	if len(e.plans) == engine.PlanLimit {
		old := e.plans[0]
		e.plans = slices.Delete(e.plans, 0, 1)
		old.evicted = true
		if err := old.release(); err != nil {
			return nil, errors.Join(err, p.release())
		}
	}
	e.plans = append(e.plans, p)
	return p, nil
}

// schedule is that of a batch behind the model's view.
func (p *plan) schedule(samples []grid.Shape) (*grid.Schedule, error) {
	view := p.e.model.Config.View
	if view == grid.ViewGrid {
		return p.e.grids.Get(samples)
	}
	p.begin = append(p.begin[:0], 0)
	for _, s := range samples {
		p.begin = append(p.begin, p.begin[len(p.begin)-1]+int32(s.Cells()))
	}
	viewed, err := grid.View(view, samples)
	if err != nil {
		return nil, err
	}
	return p.e.grids.Get(viewed)
}

// bind makes the schedules of a batch current, and builds the plan anew when a
// deeper grid has more rows than it was given in proportion.
func (p *plan) bind(in *grid.Schedule, samples []grid.Shape) error {
	if p.work == nil { // growing has failed before
		if err := p.build(samples); err != nil {
			return err
		}
	}
	if err := p.link(in); err != nil {
		return err
	}
	if !slices.ContainsFunc(p.levels, func(l *level) bool { return !l.holds(l.sched) }) {
		return nil
	}
	before := p.least
	p.least = nil
	for _, l := range p.levels {
		p.least = append(p.least, l.room.with(roomOf(l.sched)))
	}
	err := p.release()
	if err == nil {
		err = p.build(samples)
	}
	if err != nil {
		p.least = before
		return err
	}
	return p.link(in)
}

// link gives every level its schedule and every layer its kernels.
func (p *plan) link(in *grid.Schedule) error {
	p.levels[0].sched = in
	p.variant = ""
	for _, s := range p.stages {
		if err := s.bind(); err != nil {
			return err
		}
		if s, ok := s.(*recurrentStage); ok {
			p.variant += s.chosen.variant() + " "
		}
	}
	return nil
}

// Load copies a batch in. See [engine.Plan].
func (p *plan) Load(b *engine.Batch) (float64, error) {
	p.loaded = false
	if err := p.usable(); err != nil {
		return 0, err
	}
	need, err := batch.Needs(p.e.model, b.Samples)
	if err == nil {
		err = batch.Within(need, p.capacity)
	}
	if err != nil {
		return 0, err
	}
	in, err := p.schedule(b.Samples)
	if err == nil {
		err = p.bind(in, b.Samples)
	}
	if err != nil {
		return 0, err
	}
	weight, err := p.fill(p.intake, b, in)
	if err != nil {
		return 0, err
	}
	p.first, p.loaded = b.First, true
	return weight, nil
}

// fill writes a batch and its tables and queues their upload.
func (p *plan) fill(k *intake, b *engine.Batch, in *grid.Schedule) (weight float64, err error) {
	if err := k.fresh(); err != nil {
		return 0, err
	}
	if err := batch.Inputs(part(p.input.data, k.floats), b, p.input.width, in); err != nil {
		return 0, err
	}
	k.changed(p.input.data, in.Rows*p.input.width)
	if k.tables != in {
		k.tables = nil // until they are on their way
		for _, l := range p.levels {
			l.write(k.ints)
		}
		for _, s := range p.stages {
			s.write(k.ints)
		}
		k.changed(p.tables, int(p.tables.n))
	}
	if weight, err = p.loss.load(b, k); err != nil {
		return 0, err
	}
	if err := k.upload(p.e.copies); err != nil {
		return 0, err
	}
	k.tables = in
	return weight, nil
}

func (p *plan) usable() error {
	if err := p.e.open(); err != nil {
		return err
	}
	if p.evicted {
		return fmt.Errorf("this plan was dropped after %d newer ones: ask the engine for it again", engine.PlanLimit)
	}
	return nil
}

func (p *plan) ready() error {
	if err := p.usable(); err != nil {
		return err
	}
	if !p.loaded {
		return fmt.Errorf("%w: no batch is loaded", engine.ErrData)
	}
	return nil
}

// Bytes is the device memory of the plan.
func (p *plan) Bytes() (int64, float64) {
	n := p.bytes()
	return n, float64(n) / float64(p.capacity.Rows)
}
