package gpu

import (
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// layout is what a plan computes and where its arrays lie, before and after the
// device has given memory for them.
type layout struct {
	work    *block // what stages keep
	inputs  *block // of a slot: the batch and its tables; its memory is that of the slot in use
	scalars *block // of a pass

	levels   []*level
	input    *field
	stages   []stage
	dropouts []*dropoutStage
	loss     *lossStage
	head     *field
	tables   array // the part of inputs that follows from the schedule

	reducing Jobs // adds up the slots of all weight gradients
}

// lay makes the stages of the model for a plan, with room for its capacity and
// in proportion to a batch of this schedule, whose maps it also binds.
func (p *plan) lay(first *grid.Schedule) error {
	p.layout = layout{work: &block{}, inputs: &block{}, scalars: &block{}}
	l := p.newLevel(first)
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
		s, err := newSumStage(p, st.Axis, at)
		if err != nil {
			return nil, err
		}
		p.stages = append(p.stages, s)
		return s.out, nil
	}
	if st.Window != nil {
		s, err := newWindowStage(p, st.Window, at)
		if err != nil {
			return nil, err
		}
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
	s := newDenseStage(p, i, at)
	p.stages = append(p.stages, s)
	return s.out, nil
}

// newLevel adds a grid with room in proportion to the plan's capacity.
func (p *plan) newLevel(s *grid.Schedule) *level {
	l := &level{sched: s, room: roomOf(s)}
	capacity := room{p.capacity.Rows, p.capacity.Wavefronts, p.capacity.Samples}
	first := l
	if len(p.levels) > 0 {
		first = p.levels[0]
	}
	l.room = l.room.scaled(roomOf(first.sched), capacity)
	if i := len(p.levels); i < len(p.least) {
		l.room = l.room.with(p.least[i])
	}
	p.levels = append(p.levels, l)
	return l
}
