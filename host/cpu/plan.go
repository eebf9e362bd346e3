package cpu

import (
	"fmt"
	"slices"
	"sync/atomic"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/batch"
	"mdlstm-gpu/host/engine/nonfinite"
	"mdlstm-gpu/host/grid"
)

// plan holds a batch cut into parts, and the stacks that compute them.
type plan struct {
	e        *Engine
	capacity engine.Capacity
	evicted  bool
	predict  bool // forward only: see slab.go
	place    place

	inputs slab      // of all parts
	parts  []part    // of the batch
	shapes []int     // of its samples, one after the other
	begin  []int     // [parts+1] their first samples
	cells  int       // of the output grids
	pool   *pool     // whose workers share what is not cut into parts
	stacks []*stack  // one that all workers share, or one for each
	sums   []float32 // [runs, …] gradients of runs of parts, see learner

	loaded bool
	weight float64
	pass   pass
	scale  float64 // of the loss

	source                                                     *engine.Batch // while Load runs
	result                                                     []float32     // while Predict runs
	bad                                                        atomic.Bool
	scheduleJob, loadJob, inputJob, runJob, addJob, predictJob func(task, worker int)
}

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
	where, err := e.affordable(room, least.Predict)
	if err != nil {
		return nil, err
	}
	p := e.newPlan(want, least.Predict, where)
	if err := p.reserve(room); err != nil {
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

func (e *Engine) newPlan(capacity engine.Capacity, predict bool, where place) *plan {
	p := &plan{e: e, capacity: capacity, predict: predict, place: where}
	p.scheduleJob, p.loadJob, p.inputJob = p.schedulePart, p.loadPart, p.loadChunk
	p.runJob, p.addJob, p.predictJob = p.computeRun, p.addRuns, p.predictRun
	return p
}

// reserve takes the memory for a batch of these samples.
func (p *plan) reserve(samples []grid.Shape) error {
	if err := p.cut(samples); err != nil {
		return err
	}
	most := &p.parts[0]
	for i := range p.parts {
		if t := &p.parts[i]; t.in.Rows > most.in.Rows {
			most = t
		}
		if !p.predict { // where targets are rare
			p.parts[i].makeRoom(p.e.model)
		}
	}
	for _, k := range p.stacks {
		if err := k.bind(most); err != nil {
			return err
		}
	}
	return nil
}

// cut makes the parts of a batch of these samples, without what is in them.
func (p *plan) cut(samples []grid.Shape) error {
	if p.knows(samples) {
		return nil
	}
	p.shapes = p.shapes[:0]
	bulk := p.e.bulk(samples)
	p.pool = p.e.pool
	if bulk < sharedBytes {
		p.pool = p.e.alone
	}
	p.begin = cutSamples(samples, p.e.partsOf(len(samples), bulk), p.begin[:0])
	n := len(p.begin) - 1
	for cap(p.parts) < n {
		p.parts = append(p.parts[:cap(p.parts)], part{})
	}
	p.parts = p.parts[:n]
	p.source = &engine.Batch{Samples: samples}
	p.pool.run(n, p.scheduleJob)
	p.source = nil
	cell, width := 0, p.e.model.Config.Input
	p.cells, p.inputs.need = 0, 0
	for i := range p.parts {
		t := &p.parts[i]
		if t.err != nil {
			return t.err
		}
		t.first, t.cell, t.outCell = p.begin[i], cell, p.cells
		cell += t.in.Rows
		p.cells += t.out.Rows
		p.inputs.need += (t.in.Rows + 1) * width
	}
	if err := p.inputs.grow(p.place.inFile, p.e.options.Temp); err != nil {
		return err
	}
	at := 0
	for i := range p.parts {
		t := &p.parts[i]
		end := at + (t.in.Rows+1)*width
		t.input = p.inputs.data[at:end]
		clear(t.input[t.in.Rows*width:])
		at = end
	}
	if err := p.makeStacks(); err != nil {
		return err
	}
	for _, s := range samples {
		p.shapes = append(p.shapes, s...)
	}
	return nil
}

// knows says whether the parts are those of a batch of these samples.
func (p *plan) knows(samples []grid.Shape) bool {
	at := 0
	for _, s := range samples {
		if len(p.shapes) < at+len(s) || !slices.Equal(p.shapes[at:at+len(s)], s) {
			return false
		}
		at += len(s)
	}
	return at == len(p.shapes)
}

// schedulePart makes the schedules of a part.
func (p *plan) schedulePart(task, _ int) {
	t := &p.parts[task]
	samples := p.source.Samples[p.begin[task]:p.begin[task+1]]
	t.begin = append(t.begin[:0], 0)
	for _, s := range samples {
		t.begin = append(t.begin, t.begin[len(t.begin)-1]+int32(s.Cells()))
	}
	if view := p.e.model.Config.View; view != "" && view != grid.ViewGrid {
		if samples, t.err = grid.View(view, samples); t.err != nil {
			return
		}
	}
	if t.in, t.err = p.e.grids.Get(samples); t.err == nil {
		t.out, t.err = p.e.outputs(t.in)
	}
}

// outputs follows a schedule through the windows and sums of the model.
func (e *Engine) outputs(at *grid.Schedule) (*grid.Schedule, error) {
	for i := range e.model.Stages {
		st := &e.model.Stages[i]
		if st.Type == "sum" {
			maps, err := at.Sum(st.Axis)
			if err != nil {
				return nil, err
			}
			at = maps.Next
		} else if st.Window != nil {
			maps, err := at.Window(st.Window)
			if err != nil {
				return nil, err
			}
			at = maps.Next
		}
	}
	return at, nil
}

// apart says whether there are parts enough to compute them side by side, each by
// one worker, without a barrier. Else all workers share one part after the other.
func (e *Engine) apart(parts int) bool {
	return parts > 1 && e.pool.workers > 1 && 2*runsOf(parts) >= e.pool.workers
}

// makeStacks makes the stacks for the parts, and the sums of their gradients.
func (p *plan) makeStacks() error {
	n, pool := 1, p.pool
	if p.apart() {
		n, pool = min(runsOf(len(p.parts)), p.e.pool.workers), p.e.alone
	}
	for len(p.stacks) < n {
		room := p.e.alone
		if len(p.stacks) == 0 { // the one that all may have to share
			room = p.e.pool
		}
		k, err := p.e.newStack(room, p.predict, p.place.inFile)
		if err != nil {
			return err
		}
		p.stacks = append(p.stacks, k)
	}
	p.stacks[0].pool = pool
	if !p.predict {
		p.sums = grow(p.sums, runsOf(len(p.parts))*p.stacks[0].sumsLength())
	}
	return nil
}

// apart says whether workers have stacks of their own.
func (p *plan) apart() bool { return !p.place.together && p.e.apart(len(p.parts)) }

// Load copies a batch in. See [engine.Plan].
func (p *plan) Load(b *engine.Batch) (float64, error) {
	p.loaded = false
	if err := p.usable(); err != nil {
		return 0, err
	}
	need, err := batch.Needs(p.e.model, b.Samples)
	if err != nil {
		return 0, err
	}
	if err := batch.Within(need, p.capacity); err != nil {
		return 0, err
	}
	width := p.e.model.Config.Input
	if want := need.Rows * width; len(b.X) != want {
		return 0, fmt.Errorf("%w: x has %d values, want %d (%d cells of %d channels)", engine.ErrShape, len(b.X), want, need.Rows, width)
	}
	if err := p.cut(b.Samples); err != nil {
		return 0, err
	}
	if err := batch.CheckTargets(p.e.model, b, p.cells); err != nil {
		return 0, err
	}
	p.source = b
	p.bad.Store(false)
	if len(p.parts) == 1 {
		p.pool.run(chunks(p.parts[0].in.Rows), p.inputJob)
		p.loadTargets(&p.parts[0])
	} else {
		p.pool.run(len(p.parts), p.loadJob)
	}
	p.source = nil
	if p.bad.Load() {
		return 0, batch.BadInput(b, width) // finds the place
	}
	p.weight = 0
	for i := range p.parts {
		t := &p.parts[i]
		if t.err != nil {
			return 0, t.err
		}
		p.weight += t.weight
	}
	p.pass.first = b.First
	p.loaded = true
	return p.weight, nil
}

func (p *plan) loadPart(task, _ int) {
	t := &p.parts[task]
	p.loadRows(t, 0, t.in.Rows)
	p.loadTargets(t)
}

func (p *plan) loadChunk(task, _ int) {
	t := &p.parts[0]
	from, to := chunk(task, t.in.Rows)
	p.loadRows(t, from, to)
}

// loadRows brings rows of a part from packed order and looks at each value.
func (p *plan) loadRows(t *part, from, to int) {
	k := p.e.model.Config.Input
	all := p.source.X[t.cell*k:]
	var sum float32 // 0 exactly when all values are finite
	for r := from; r < to; r++ {
		x := all[int(t.in.Cell[r])*k:][:k]
		for i, v := range x {
			t.input[r*k+i] = v
			sum += v - v
		}
	}
	if sum != 0 {
		p.bad.Store(true)
	}
}

func (p *plan) loadTargets(t *part) {
	t.targets = p.source.Y != nil || p.source.Class != nil
	if t.targets {
		t.makeRoom(p.e.model)
	}
	t.weight, t.err = t.given.Load(p.e.model, p.source, t.out, t.outCell)
}

func (p *plan) usable() error {
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

// Gradients adds the gradients of the loaded batch. See [engine.Plan].
func (p *plan) Gradients(a engine.Pass) (engine.Loss, error) {
	if err := p.ready(); err != nil {
		return engine.Loss{}, err
	}
	if p.predict {
		return engine.Loss{}, fmt.Errorf("%w: this plan has room to predict only: ask for one whose capacity does not say Predict", engine.ErrShape)
	}
	if !p.parts[0].targets {
		return engine.Loss{}, fmt.Errorf("%w: the batch has no targets to learn from", engine.ErrData)
	}
	if a.Normaliser == 0 {
		a.Normaliser = p.weight
	}
	p.scale = 0 // a batch in which no cell counts has no gradient
	if a.Normaliser != 0 {
		p.scale = 1 / a.Normaliser
	}
	p.pass.train, p.pass.seed, p.pass.step = true, a.Seed, a.Step
	runs := runsOf(len(p.parts))
	if p.apart() {
		p.e.pool.run(runs, p.runJob)
	} else {
		for run := range runs {
			p.computeRun(run, 0)
		}
	}
	loss, err := p.pooled()
	if err != nil {
		return loss, err
	}
	if runs > 1 {
		p.e.pool.run(chunksOf(len(p.runSums(0)), updateValues), p.addJob)
	}
	p.stacks[0].setSums(p.runSums(0))
	p.stacks[0].finish()
	return loss, nil
}

// computeRun adds up the gradients of a run of parts.
func (p *plan) computeRun(run, worker int) {
	k := p.stacks[worker]
	sums := p.runSums(run)
	clear(sums)
	k.setSums(sums)
	parts := p.run(run)
	for i := range parts {
		t := &parts[i]
		t.err = k.gradients(t, p.pass, p.scale)
	}
}

// runSums holds the gradients of a run of parts.
func (p *plan) runSums(run int) []float32 {
	n := len(p.sums) / runsOf(len(p.parts))
	return p.sums[run*n : (run+1)*n]
}

// addRuns adds a range of the other runs' gradients, in their order, to the first's.
func (p *plan) addRuns(task, _ int) {
	first := p.runSums(0)
	from, to := task*updateValues, min((task+1)*updateValues, len(first))
	for run := 1; run < runsOf(len(p.parts)); run++ {
		p.e.kernels.add(first[from:to], p.runSums(run)[from:to])
	}
}

// pooled is the loss of all parts, or the first error.
func (p *plan) pooled() (loss engine.Loss, err error) {
	for i := range p.parts {
		if err := p.parts[i].err; err != nil {
			return engine.Loss{}, err
		}
		loss.Add(p.parts[i].loss)
	}
	return loss, nil
}

// Predict runs forward. See [engine.Plan].
func (p *plan) Predict(out []float32) (engine.Loss, error) {
	if err := p.ready(); err != nil {
		return engine.Loss{}, err
	}
	if units := p.e.model.Units(); out != nil && len(out) != p.cells*units {
		return engine.Loss{}, fmt.Errorf("%w: room for %d outputs, want %d (%d cells of %d units)", engine.ErrShape, len(out), p.cells*units, p.cells, units)
	}
	p.pass.train = false
	p.result = out
	if runs := runsOf(len(p.parts)); p.apart() {
		p.e.pool.run(runs, p.predictJob)
	} else {
		for run := range runs {
			p.predictRun(run, 0)
		}
	}
	p.result = nil
	return p.pooled()
}

// predictRun computes the outputs of a run of parts.
func (p *plan) predictRun(run, worker int) {
	units := p.e.model.Units()
	parts := p.run(run)
	for i := range parts {
		t, out := &parts[i], p.result
		if out != nil {
			out = out[t.outCell*units : (t.outCell+t.out.Rows)*units]
		}
		t.err = p.stacks[worker].outputs(t, p.pass, out)
	}
}

// run is the parts of a run.
func (p *plan) run(run int) []part {
	n, runs := len(p.parts), runsOf(len(p.parts))
	return p.parts[run*n/runs : (run+1)*n/runs]
}

// FindNonFinite computes the loaded batch once more, because gradients have
// taken the gates' place, and looks at every stage in order; then at the arena.
func (p *plan) FindNonFinite() (string, error) {
	if err := p.ready(); err != nil {
		return "", err
	}
	k := p.stacks[0]
	before, where := len(k.stages), "" // the first stage at fault, of any part
	for i := range p.parts {
		at, what, err := k.findNonFinite(&p.parts[i], p.pass, before)
		if err != nil {
			return "", err
		}
		if what != "" {
			before, where = at, what
		}
	}
	if where != "" {
		return where, nil
	}
	return nonfinite.Gradient(p.e.model, p.e.grads), nil
}

// Bytes is the memory of the plan's buffers, in files too, and of the schedules
// bound last.
func (p *plan) Bytes() (int64, float64) {
	n := 4 * int64(len(p.inputs.data)+cap(p.sums))
	var seen []*grid.Schedule
	for i := range p.parts {
		t := &p.parts[i]
		n += 4 * int64(cap(t.given.Y)+cap(t.given.Class)+cap(t.given.Relevant))
		if !slices.Contains(seen, t.in) {
			seen = append(seen, t.in)
			n += scheduleBytes(t.in)
		}
	}
	for _, k := range p.stacks {
		n += k.bytes()
	}
	return n, float64(n) / float64(p.capacity.Rows)
}

// free gives back what the garbage collector does not know.
func (p *plan) free() {
	p.inputs.free()
	for _, k := range p.stacks {
		k.free()
	}
}
