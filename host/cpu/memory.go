package cpu

import (
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn"
)

// alike is a run of samples of one shape, so that a batch of millions is not
// copied to be measured.
type alike struct {
	shape grid.Shape
	count int
}

func runs(samples []grid.Shape) (list []alike) {
	for _, s := range samples {
		if n := len(list); n > 0 && list[n-1].shape.Equal(s) {
			list[n-1].count++
			continue
		}
		list = append(list, alike{append(grid.Shape{}, s...), 1})
	}
	return list
}

// need is the memory that samples take, in bytes.
type need struct {
	data   int64 // inputs and targets
	tables int64 // the order of the cells
	stages int64 // what the stages keep, in slabs when they only predict
	packed int64 // the stages' own copies of the parameters, and sums of their gradients
	rows   int   // cells
}

func (n need) total() int64 { return n.data + n.tables + n.stages + n.packed }

// estimate is the memory of a plan for samples, known before any of it is taken.
// README.md has the rule for a row.
func (e *Engine) estimate(samples []grid.Shape, predict, together bool) need {
	all := e.needOf(samples, predict, e.pool.workers)
	begin := cutSamples(samples, e.partsOf(len(samples), e.bulk(samples)), nil)
	parts := len(begin) - 1
	sums := int64(0) // of the gradients of all runs of parts
	if !predict {
		sums = 4 * int64(runsOf(parts)) * e.sumsFloats()
	}
	if parts == 1 {
		all.packed += sums
		return all
	}
	stacks, workers := int64(1), e.pool.workers // of a stack
	if !together && e.apart(parts) {
		stacks, workers = int64(min(runsOf(parts), e.pool.workers)), 1
	}
	most := need{}
	for i := range parts {
		if n := e.needOf(samples[begin[i]:begin[i+1]], predict, workers); n.rows > most.rows {
			most = n
		}
	}
	all.stages, all.packed = stacks*most.stages, stacks*most.packed+sums
	if len(runs(samples)) == 1 { // parts of one size, or of two
		all.tables = most.tables
		if len(samples)%parts != 0 {
			all.tables *= 2
		}
	}
	return all
}

// needOf is what samples take that are computed in one part, whose work so many
// workers share.
func (e *Engine) needOf(samples []grid.Shape, predict bool, workers int) need {
	levels, rows := e.levels(samples)
	n := need{rows: rows, data: 4 * int64(e.model.Config.Input*rows), packed: 4 * e.packedFloats(levels, len(samples), predict)}
	words := levels[0].words
	for _, l := range levels[1:] {
		words += l.words
	}
	if predict {
		n.stages, n.tables = 4*e.slabFloats(levels), 4*(words+e.mapWords(levels, false))
		return n
	}
	n.data += 4 * int64(e.model.Units()) * levels[len(levels)-1].rows
	n.stages, n.tables = 4*(e.stageFloats(levels, len(samples), workers)+e.mapWords(levels, !e.options.Recompute)), 4*words
	return n
}

// mapWords are the tables of the layers' directions: the cells' rows and, where
// neighbours is said, those of the cells before them.
func (e *Engine) mapWords(levels []level, neighbours bool) (words int64) {
	for i := range e.model.Stages {
		if st := &e.model.Stages[i]; st.Type == "mdlstm" {
			maps := 1
			if neighbours {
				maps += st.Axes
			}
			words += int64(maps*len(st.Directions)) * levels[i+1].rows
		}
	}
	return words
}

// stageFloats is what the stages keep of a training step.
func (e *Engine) stageFloats(levels []level, samples, workers int) (floats int64) {
	gradients := int64(1) // the first stage needs none of its inputs
	for i := range e.model.Stages {
		st, n := &e.model.Stages[i], levels[i+1].rows
		if st.Type == "sum" {
			floats += 2 * int64(st.Out) * n
			gradients = 2
			continue
		}
		if st.Window != nil {
			floats += gradients * int64(st.In) * n
		}
		if st.Dropout > 0 {
			floats += gradients * int64(st.In) * n
		}
		if e.asksAbove(i) {
			floats += int64(st.Out) * n
		} else {
			floats += 2 * int64(st.Out) * n
		}
		if st.Type == "mdlstm" {
			floats += e.cellFloats(st, levels[i+1], samples, workers)
			if st.Combine != "concat" {
				floats += 2 * int64(st.Hidden*len(st.Directions)) * n
			}
		}
		gradients = 2
	}
	return floats
}

// packedFloats is what the stages of one stack keep of the parameters in forms of
// their own, and the slots that add up their gradients.
func (e *Engine) packedFloats(levels []level, samples int, predict bool) (floats int64) {
	back := false // the first stage has no gradient to hand on
	for i := range e.model.Stages {
		st, l := &e.model.Stages[i], levels[i+1]
		switch st.Type {
		case "dense":
			floats += int64(st.In * st.Out)
			if !predict {
				floats += int64(slotsOf(int(l.rows))) * int64(st.Out*(st.In+1))
			}
		case "mdlstm":
			p, r := e.padded(st.Hidden), int64(len(st.Directions))
			gp, units := int64(st.Gates*p), st.Axes*st.Hidden
			floats += r * gp * int64(st.In+units)
			if predict {
				break
			}
			floats += r * gp * int64(st.Axes*p)
			if back {
				floats += r * gp * int64(st.In)
			}
			if e.fuses(st) {
				mean, directions := int(l.rows/l.waves), len(st.Directions)
				groups := groupsOf(mean, samples, directions)
				floats += r * int64(groups*lanesOf(mean, groups, directions)) * gp * int64(weightRows(st))
			}
		}
		back = back || st.Type != "sum"
	}
	return floats
}

// sumsFloats is what the gradients of one run of parts are added up in.
func (e *Engine) sumsFloats() (floats int64) {
	for i := range e.model.Stages {
		switch st := &e.model.Stages[i]; st.Type {
		case "dense":
			floats += int64(st.Out * (st.In + 1))
		case "mdlstm":
			p := e.padded(st.Hidden)
			floats += int64(len(st.Directions)) * int64(weightRows(st)*st.Gates*p+laneSize(st, p))
		}
	}
	return floats
}

// level is the grid that a stage works on.
type level struct {
	rows  int64
	waves int64 // wavefronts
	words int64 // of the schedule and the maps made for it, 0 where it is the one before
}

// levels lists the model's grid and those of its stages, and counts the cells of
// the first.
func (e *Engine) levels(samples []grid.Shape) (list []level, rows int) {
	shapes := runs(samples)
	for _, s := range shapes {
		rows += s.shape.Cells() * s.count
	}
	n, axes := int64(rows), len(samples[0])
	if view := e.model.Config.View; view == grid.ViewRows || view == grid.ViewSnake {
		axes = 1
	}
	list = append(list, level{n, wavefronts(shapes), int64(2*axes+2) * n})
	for i := range e.model.Stages {
		st := &e.model.Stages[i]
		if st.Type != "sum" && st.Window == nil {
			list = append(list, level{rows: n, waves: wavefronts(shapes)})
			continue
		}
		n = 0
		for j := range shapes {
			s := &shapes[j]
			if st.Type == "sum" {
				s.shape = append(s.shape[:st.Axis:st.Axis], s.shape[st.Axis+1:]...)
			}
			for d, w := range st.Window {
				s.shape[d] = (s.shape[d] + w - 1) / w
			}
			n += int64(s.shape.Cells() * s.count)
		}
		if st.Type == "sum" {
			axes--
		}
		list = append(list, level{n, wavefronts(shapes), int64(2*axes+4) * n})
	}
	return list, rows
}

// slabFloats is what the slabs of a stack that only predicts hold.
func (e *Engine) slabFloats(levels []level) (floats int64) {
	var need [slabCount]int64
	turn := slabOdd
	field := func(floats int64) {
		turn = slabEven + slabOdd - turn
		need[turn] = max(need[turn], floats)
	}
	for i := range e.model.Stages {
		st, n := &e.model.Stages[i], levels[i+1].rows
		if st.Window != nil {
			field(int64(st.In) * n)
		}
		if st.Type == "mdlstm" && st.Combine != "concat" {
			need[slabAside] = max(need[slabAside], int64(st.Hidden*len(st.Directions))*n)
		}
		field(int64(st.Out) * n)
	}
	for _, n := range need {
		floats += n
	}
	return floats
}

// place is where the memory of a plan lies.
type place struct {
	together bool // in one stack that all workers share, though there are parts for more
	inFile   bool // slabs in a mapped temporary file
}

// affordable finds a place for a plan, or refuses one that this machine has no
// memory for, before any of it is taken: a process that runs out later is killed
// without a word. Only what predicts may lie in a file, but for its tables.
func (e *Engine) affordable(samples []grid.Shape, predict bool) (place, error) {
	limit := machine.FreeMemory()
	if predict && e.options.Memory > 0 {
		limit = e.options.Memory
	}
	n := e.estimate(samples, predict, false)
	if limit == 0 || n.total() <= limit {
		return place{}, nil
	}
	n = e.estimate(samples, predict, true)
	switch {
	case n.total() <= limit:
		return place{together: true}, nil
	case !predict:
		return place{}, fmt.Errorf("%w: a batch of %d samples, %d cells in all, needs %s, %s are free: use a smaller batch or size",
			engine.ErrMemory, len(samples), n.rows, machine.Size(n.total()), machine.Size(limit))
	case n.tables+n.packed > limit:
		return place{}, fmt.Errorf("%w: to predict %d samples, %d cells in all, takes %s for the order of the cells and the weights alone, %s are free: use fewer or smaller samples, or tiles",
			engine.ErrMemory, len(samples), n.rows, machine.Size(n.tables+n.packed), machine.Size(limit))
	}
	return place{together: true, inFile: true}, nil
}

// wavefronts is how many a batch has: the most of any sample. A view can only
// make it more.
func wavefronts(samples []alike) (most int64) {
	for _, s := range samples {
		n := int64(1)
		for _, size := range s.shape {
			n += int64(size - 1)
		}
		most = max(most, n)
	}
	return most
}

// asksAbove says that stage i is an mdlstm layer which has the next stage compute
// the gradient of its outputs when it is wanted.
func (e *Engine) asksAbove(i int) bool {
	st := &e.model.Stages[i]
	if !e.options.Recompute || st.Type != "mdlstm" || st.Combine != "concat" || i+1 == len(e.model.Stages) {
		return false
	}
	next := &e.model.Stages[i+1]
	return next.Type != "mdlstm" && next.Type != "sum" && next.Window == nil && next.Dropout == 0
}

// cellFloats is what an mdlstm layer keeps between forward and backward: for each
// row and direction gates and c, and for layernorm the norms' deviations;
// with Recompute, the cells of one wavefront a stretch, and all of that for a
// stretch of as many strands as are walked at once.
func (e *Engine) cellFloats(st *nn.Stage, l level, samples, workers int) int64 {
	p, g, directions := int64(e.padded(st.Hidden)), int64(st.Gates), len(st.Directions)
	floats := g*p + p
	if st.Cell == cellLayerNorm {
		floats += g + 1
	}
	if !e.options.Recompute {
		return floats * l.rows * int64(directions)
	}
	groups := groupsOf(int(l.rows/l.waves), samples, directions)
	longest := l.rows / l.waves
	if st.Axes > 1 {
		longest *= 2 // in the middle of a square; about that in a cube
	}
	stretch := int64(stretchOf(int(l.waves), st.Gates))
	kept := ((l.waves-1)/stretch + 2) * p * longest * int64(directions)
	strands := int64(min(workers, directions*groups))
	rings := 4 * int64(st.Axes) * p * longest * int64(directions) // what wavefronts leave for each other
	return kept + rings + strands*longest/int64(groups)*(stretch*floats+p)
}

// scheduleBytes is the memory of a schedule's own tables.
func scheduleBytes(s *grid.Schedule) int64 {
	n := int64(len(s.Start) + len(s.Cell) + len(s.Row) + len(s.First))
	for a := range s.Axes {
		n += int64(len(s.Pred[a]) + len(s.Succ[a]))
	}
	return 4 * n
}
