package cpu

import (
	"mdlstm-gpu/host/grid"
)

// stack is the stages of a model with memory for one part of a batch at a time.
type stack struct {
	e       *Engine
	pool    *pool
	version int64 // of the parameters that the stages have packed

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
	part     *part
	pass     pass

	result    []float32 // of the part, while it is copied
	outputJob func(task, worker int)
}

// packer is a stage that keeps the parameters in a form of its own.
type packer interface{ refresh(params []float32) }

// newStack makes the stages, whose work the workers of pool share.
func (e *Engine) newStack(pool *pool, predict, inFile bool) (*stack, error) {
	k := &stack{
		e: e, pool: pool, version: -1, predict: predict, inFile: inFile,
		recompute: e.options.Recompute && !predict, turn: slabOdd,
	}
	k.input = &field{width: e.model.Config.Input}
	at := k.input
	for i := range e.model.Stages {
		st := &e.model.Stages[i]
		if st.Type == "sum" {
			s := newSumStage(k, st.Name, st.Axis, at)
			k.stages, at = append(k.stages, s), s.out
			continue
		}
		if st.Window != nil {
			s := newWindowStage(k, st.Window, at)
			k.stages, at = append(k.stages, s), s.out
		}
		if st.Dropout > 0 && !predict {
			s := newDropoutStage(k, st.Layer, st.Dropout, at)
			k.stages, k.dropouts, at = append(k.stages, s), append(k.dropouts, s), s.out
		}
		if st.Type == "mdlstm" {
			s, err := newRecurrentStage(k, i, at)
			if err != nil {
				return nil, err
			}
			k.stages, at = append(k.stages, s), s.out
			continue
		}
		activation := st.Activation
		if st.Head && e.model.Config.Loss != "mse" {
			activation = "linear" // the loss wants logits
		}
		s := newDenseStage(k, i, at, activation)
		k.stages, at = append(k.stages, s), s.out
	}
	k.loss = newLossStage(k, at)
	k.outputJob = k.copyOutput
	return k, nil
}

// bind makes a part current.
func (k *stack) bind(p *part) error {
	for i := range k.slabs {
		k.slabs[i].need = 0 // of a part that found no room
	}
	k.part = p
	k.input.rows, k.input.data = p.in.Rows, p.input
	at := p.in
	for _, s := range k.stages {
		var err error
		if at, err = s.bind(at); err != nil {
			return err
		}
		if d, ok := s.(*dropoutStage); ok {
			begin := at.First
			if view := k.e.model.Config.View; view == grid.ViewRows || view == grid.ViewSnake {
				begin = p.begin
			}
			d.number(begin)
		}
	}
	k.loss.bind(at, p)
	return k.place()
}

// refresh packs the parameters, where they have changed.
func (k *stack) refresh() {
	if k.version != k.e.version {
		for _, s := range k.stages {
			if s, ok := s.(packer); ok {
				s.refresh(k.e.params)
			}
		}
		k.version = k.e.version
	}
}

// learner is a stage with parameters. It adds up the gradients of one part after
// the other in a layout of its own, of which setSums gives it the memory; finish
// adds them to the arena.
type learner interface {
	sumsLength() int
	setSums(sums []float32)
	finish()
}

// sumsLength is how long the sums of all stages are.
func (k *stack) sumsLength() (n int) {
	for _, s := range k.stages {
		if s, ok := s.(learner); ok {
			n += s.sumsLength()
		}
	}
	return n
}

// setSums says where to add up gradients from now on.
func (k *stack) setSums(sums []float32) {
	for _, s := range k.stages {
		if s, ok := s.(learner); ok {
			n := s.sumsLength()
			s.setSums(sums[:n])
			sums = sums[n:]
		}
	}
}

// finish adds the sums to the arena.
func (k *stack) finish() {
	for _, s := range k.stages {
		if s, ok := s.(learner); ok {
			s.finish()
		}
	}
}

func (k *stack) forward() {
	k.refresh()
	for _, s := range k.stages {
		s.forward(&k.pass)
	}
}

// gradients adds those of the loss of part p, its sum times scale, to the stages'
// sums.
func (k *stack) gradients(p *part, pass pass, scale float64) error {
	if err := k.bind(p); err != nil {
		return err
	}
	k.pass = pass.from(p)
	k.forward()
	p.loss = k.loss.run(true, scale)
	for i := len(k.stages) - 1; i >= 0; i-- {
		k.stages[i].backward(&k.pass)
	}
	return nil
}

// outputs computes part p and copies the head's outputs into out, those of the
// part in packed order; nil copies nothing.
func (k *stack) outputs(p *part, pass pass, out []float32) error {
	if err := k.bind(p); err != nil {
		return err
	}
	k.pass = pass.from(p)
	k.forward()
	p.loss = k.loss.run(false, 0)
	if out != nil {
		k.result = out
		k.pool.run(chunks(p.out.Rows), k.outputJob)
		k.result = nil
	}
	return nil
}

func (k *stack) copyOutput(task, _ int) {
	from, to := chunk(task, k.part.out.Rows)
	n := k.loss.units
	for r := from; r < to; r++ {
		copy(k.result[int(k.part.out.Cell[r])*n:][:n], k.loss.in.data[r*n:])
	}
}

// bytes is the memory of the buffers, in files too, without the part's own.
func (k *stack) bytes() int64 {
	var n int64
	for i := range k.slabs {
		n += 4 * int64(len(k.slabs[i].data))
	}
	for _, s := range k.stages {
		n += s.bytes()
	}
	if k.predict {
		n += k.mirrorBytes()
	}
	return n
}

// mirrorBytes is the memory of the directions' tables, of which layers on one
// grid share one each. Little beside what a stack for training has, they count
// here.
func (k *stack) mirrorBytes() (n int64) {
	seen := map[*int32]bool{}
	for _, s := range k.stages {
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

// free gives back what the garbage collector does not know.
func (k *stack) free() {
	for i := range k.slabs {
		k.slabs[i].free()
	}
}
