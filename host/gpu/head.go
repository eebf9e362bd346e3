package gpu

import (
	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine/nonfinite"
	"mdlstm-gpu/host/nn"
)

// headStage is a head small enough for one launch: its forward pass makes the
// outputs, the loss, and all gradients that its backward pass would.
type headStage struct {
	p *plan
	*nn.Stage
	weights *weights
	in, out *field
	partial array // of the weights' gradient
}

// headLosses by their names in the configuration.
var headLosses = map[string]HeadLoss{nn.MSE: HeadMSE, nn.CrossEntropy: HeadClasses, nn.BinaryCrossEntropy: HeadBinary}

// fused says whether a stage is a head of one launch.
func fused(st *nn.Stage) bool { return st.Head && HeadFits(st.Out, st.In) }

func newHeadStage(p *plan, index int, in *field) *headStage {
	st := &p.e.model.Stages[index]
	s := &headStage{p: p, Stage: st, weights: &p.e.weights[index], in: in, out: p.newField(in.level, st.Out, false)}
	s.partial = p.work.take(s.blocks(), st.Out*(st.In+1))
	return s
}

func (s *headStage) bind() error   { return nil }
func (s *headStage) write([]int32) {}

// blocks is how many partial sums each of loss, relevant loss and gradients has.
func (s *headStage) blocks() int { return HeadArgs{RowsArgs: s.in.level.args()}.Blocks() }

func (s *headStage) args(train bool) HeadArgs {
	l := s.p.loss
	a := HeadArgs{
		RowsArgs: s.in.level.args(), K: s.In, Units: s.Out, Loss: headLosses[l.name], Activation: activations[s.Activation],
		X: s.in.data.address(), Weight: s.weights.param("weight"), Bias: s.weights.param("bias"), Out: s.out.data.address(),
		Target: l.target.address(), Classes: s.p.e.classWeights.address(), Relevant: l.relevant.address(),
		Control: l.control.address(), Scale: l.scale.address(), Partial: s.partial.address(), Sums: l.sumsAddress(),
	}
	if train {
		a.DX = s.in.grad.address() // none for the model's inputs
	}
	return a
}

func (s *headStage) forward(q *cuda.Stream, train bool) error {
	return s.p.e.kernels.Head(q, s.args(train))
}

func (s *headStage) backward(*cuda.Stream) error { return nil }

func (s *headStage) reductions() []ReduceJob {
	return s.args(true).ReduceJobs(s.weights.grad("weight"), s.weights.grad("bias"))
}

func (s *headStage) check() (string, error) { return checkOutputs(s.Stage, s.out) }

// checkOutputs looks at what a dense layer or head has left.
func checkOutputs(st *nn.Stage, out *field) (string, error) {
	x := make([]float32, out.sched.Rows*out.width)
	if err := out.data.download(x, 0); err != nil {
		return "", err
	}
	if nonfinite.In(x) {
		return nonfinite.Dense(st), nil
	}
	return "", nil
}
