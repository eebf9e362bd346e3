package gpu

import (
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// layout is what a plan computes and where its arrays lie, before and after the
// device has given memory for them.
type layout struct {
	work    *block // what stages keep
	inputs  *block // the batch and its tables
	scalars *block // of a pass

	levels   []*level
	input    *field
	stages   []stage
	dropouts []*dropoutStage
	loss     *lossStage
	head     *field
	tables   array // the part of inputs that follows from the schedule

	variant  string          // the families of kernels that the layers run for the batch loaded last
	reducing map[string]Jobs // of each variant: adds up the slots of all weight gradients
}

// lay makes the stages of the model for a plan, with room for its capacity and
// in proportion to these samples. It looks at shapes only: what does not fit the
// device may be too large for the host, too.
func (p *plan) lay(samples []grid.Shape) error {
	p.layout = layout{work: &block{}, inputs: &block{}, scalars: &block{}, reducing: map[string]Jobs{}}
	axes := len(samples[0])
	if p.e.model.Config.View != grid.ViewGrid {
		axes, samples = 1, nil
	}
	l := p.newLevel(axes, samples)
	p.input = &field{level: l, width: p.e.model.Config.Input}
	p.input.data = p.inputs.takeRows(1, l.rows, p.input.width)

	begin := p.inputs.words
	at := p.input
	for i := range p.e.model.Stages {
		var err error
		if at, err = p.add(i, at); err != nil {
			return err
		}
	}
	for _, l := range p.levels {
		l.dims = p.inputs.take(4)
	}
	p.tables = array{p.inputs, begin, p.inputs.words - begin}
	p.head, p.loss = at, newLossStage(p, at)
	return nil
}

// add makes what stage i of the model takes and returns where its result lies.
func (p *plan) add(i int, at *field) (*field, error) {
	st := &p.e.model.Stages[i]
	if st.Type == nn.TypeSum {
		s := newSumStage(p, st.Axis, at)
		p.stages = append(p.stages, s)
		return s.out, nil
	}
	if st.Window != nil {
		s := newWindowStage(p, st.Window, at)
		p.stages, at = append(p.stages, s), s.out
	}
	if st.Dropout > 0 {
		s := newDropoutStage(p, st.Layer, st.Dropout, at)
		p.stages, p.dropouts, at = append(p.stages, s), append(p.dropouts, s), s.out
	}
	if st.Type == nn.TypeMDLSTM {
		s, err := newRecurrentStage(p, i, at)
		if err != nil {
			return nil, err
		}
		p.stages = append(p.stages, s)
		return s.out, nil
	}
	if fused(st) {
		s := newHeadStage(p, i, at)
		p.stages = append(p.stages, s)
		return s.out, nil
	}
	s := newDenseStage(p, i, at)
	p.stages = append(p.stages, s)
	return s.out, nil
}

// newLevel adds a grid with room in proportion to the plan's capacity.
func (p *plan) newLevel(axes int, shapes []grid.Shape) *level {
	l := &level{axes: axes, shapes: shapes, room: room{rows: p.capacity.Rows, waves: p.capacity.Wavefronts, samples: p.capacity.Samples}}
	if len(p.levels) > 0 {
		first := p.levels[0]
		l.room = roomFor(shapes).scaled(roomFor(first.shapes), first.room)
	}
	if i := len(p.levels); i < len(p.least) {
		l.room = l.room.with(p.least[i])
	}
	if p.e.inStretches() {
		l.limitLine()
	} else {
		l.line = 0
	}
	p.levels = append(p.levels, l)
	return l
}
