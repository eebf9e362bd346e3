package gpu

import (
	"fmt"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/batch"
	"mdlstm-gpu/host/nn"
)

// lossStage holds the targets. It compares the head's outputs with them and
// leaves ∂loss/∂(head's pre-activation) behind; it also turns logits into
// outputs. A small head does all that in its own launch.
type lossStage struct {
	p     *plan
	name  string
	head  *field
	fused bool // the head is a headStage

	target   array        // [C, units] or int32 [C], in row order
	relevant array        // int32 [C], mse: the relevant rows; for a small head how often each row is one
	control  array        // int32 [LossControls]
	scale    array        // [1] 1/normaliser
	sums     *cuda.Pinned // partial sums: the kernel stores them where the host reads them
	sumCount int

	batch   batch.Targets
	targets bool
	total   engine.Loss // weight and count of relevant cells of the batch loaded last
}

func newLossStage(p *plan, head *field) *lossStage {
	stages := p.e.model.Stages
	s := &lossStage{p: p, name: p.e.model.Config.Loss, head: head, fused: fused(&stages[len(stages)-1])}
	if s.name == nn.CrossEntropy {
		s.target = p.inputs.take(head.rows)
	} else {
		s.target = p.inputs.take(head.rows, head.width)
	}
	if s.name == nn.MSE {
		s.relevant = p.inputs.take(head.rows)
	}
	s.control = p.inputs.take(LossControls)
	s.scale = p.scalars.take(1)
	loss, relevant := s.blocks()
	s.sumCount = loss + relevant
	return s
}

// sumsAddress is 0 before the plan has its memory.
func (s *lossStage) sumsAddress() cuda.Address {
	if s.sums == nil {
		return 0
	}
	return s.sums.Address()
}

// blocks is how many partial sums of the loss there are, and of the relevant
// loss behind them.
func (s *lossStage) blocks() (loss, relevant int) {
	if s.fused {
		n := HeadArgs{RowsArgs: s.head.args()}.Blocks()
		return n, n
	}
	a := s.args(false)
	return a.SumBlocks(), a.RelevantBlocks()
}

func (s *lossStage) args(gradient bool) LossArgs {
	a := LossArgs{
		RowsArgs: s.head.args(), Units: s.head.width, Out: s.head.data.address(), Target: s.target.address(),
		Weight: s.p.e.classWeights.address(), Control: s.control.address(), Scale: s.scale.address(), Sums: s.sumsAddress(),
		Activation: activations[s.p.e.model.Config.Head.Activation],
	}
	if s.name == nn.MSE {
		a.Relevant, a.RelevantCapacity = s.relevant.address(), s.head.rows
	}
	if gradient {
		a.Grad = s.head.grad.address()
	}
	return a
}

// load checks a batch's targets, writes them for the device and returns their
// weight.
func (s *lossStage) load(b *engine.Batch, k *intake) (weight float64, err error) {
	s.batch.Y, s.batch.Class = part(s.target, k.floats), part(s.target, k.ints)
	sched := s.head.sched
	if err = batch.CheckTargets(s.p.e.model, b, sched.Rows); err != nil {
		return 0, err
	}
	if weight, err = s.batch.Load(s.p.e.model, b, sched, 0); err != nil {
		return 0, err
	}
	s.targets = b.Y != nil || b.Class != nil
	s.total = engine.Loss{Weight: weight, RelevantCount: float64(len(s.batch.Relevant))}
	control := part(s.control, k.ints)
	control[ControlTargets], control[ControlRelevant] = 0, int32(len(s.batch.Relevant))
	if s.targets {
		control[ControlTargets] = 1
		k.changed(s.target, sched.Rows*int(s.target.n)/s.head.rows)
	}
	if err := s.loadRelevant(k); err != nil {
		return 0, err
	}
	k.changed(s.control, LossControls)
	return weight, nil
}

// loadRelevant writes the relevant rows of an mse, which only has some.
func (s *lossStage) loadRelevant(k *intake) error {
	rows := s.batch.Relevant
	if s.fused {
		if len(rows) == 0 && !k.marked {
			return nil
		}
		times := part(s.relevant, k.ints)[:s.head.sched.Rows]
		clear(times)
		for _, r := range rows {
			times[r]++
		}
		k.marked = len(rows) > 0
		k.changed(s.relevant, len(times))
		return nil
	}
	if len(rows) == 0 {
		return nil
	}
	if len(rows) > s.head.rows {
		return fmt.Errorf("%w: %d relevant cells, the plan has room for %d: list each once", engine.ErrShape, len(rows), s.head.rows)
	}
	copy(part(s.relevant, k.ints), rows)
	k.changed(s.relevant, len(rows))
	return nil
}

// run queues the loss of the outputs computed last.
func (s *lossStage) run(q *cuda.Stream, gradient bool) error {
	if s.fused {
		return nil // done with the outputs
	}
	a, k := s.args(gradient), s.p.e.kernels
	switch s.name {
	case nn.CrossEntropy:
		return k.LossClasses(q, a)
	case nn.BinaryCrossEntropy:
		return k.LossBinary(q, a)
	}
	return k.LossMSE(q, a)
}

// measured adds the partial sums up, once the device has stored them.
func (s *lossStage) measured() engine.Loss {
	loss := s.total
	blocks, _ := s.blocks()
	for i, sum := range cuda.Slice[float32](s.sums) {
		if i < blocks {
			loss.Sum += float64(sum)
		} else {
			loss.Relevant += float64(sum)
		}
	}
	return loss
}
