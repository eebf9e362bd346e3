package gpu

import (
	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/nn"
)

// denseStage is a dense layer or a large head: out = activation(x·Wᵀ + b).
//
// The head's gradient arrives already as ∂/∂(x·Wᵀ + b), because losses are
// differentiated together with its activation; where the loss wants logits
// (softmax, binary cross-entropy) the activation is the loss's work too.
type denseStage struct {
	p *plan
	*nn.Stage
	weights    *weights
	in, out    *field
	activation Activation
	partial    array // slots of the weight gradient
}

// activations by their names in the configuration; softmax is the loss's work.
var activations = map[string]Activation{nn.Linear: Linear, nn.Tanh: Tanh, nn.Sigmoid: Sigmoid, nn.Softmax: Linear}

func newDenseStage(p *plan, index int, in *field) *denseStage {
	st := &p.e.model.Stages[index]
	s := &denseStage{p: p, Stage: st, weights: &p.e.weights[index], in: in, out: p.newField(in.level, st.Out, true)}
	s.activation = activations[st.Activation]
	if st.Head && p.e.model.Config.Loss != nn.MSE {
		s.activation = Linear
	}
	s.partial = p.work.take(s.outer().PartialLength())
	return s
}

func (s *denseStage) bind() error   { return nil }
func (s *denseStage) write([]int32) {}

func (s *denseStage) forward(q *cuda.Stream, _ bool) error {
	return s.p.e.kernels.Product(q, ProductArgs{
		Rows: s.in.dims.address(), Capacity: s.in.rows, A: s.in.data.address(), B: s.weights.forward.address(),
		Bias: s.weights.param("bias"), Out: s.out.data.address(), K: s.In, N: s.Out, AWidth: s.In, OutRows: s.in.rows,
		Activation: s.activation,
	})
}

func (s *denseStage) backward(q *cuda.Stream) error {
	k := s.p.e.kernels
	if !s.Head {
		err := k.Slope(q, SlopeArgs{
			RowsArgs: s.out.args(), Grad: s.out.grad.address(), Out: s.out.data.address(), Units: s.Out, Activation: s.activation,
		})
		if err != nil {
			return err
		}
	}
	if err := k.Outer(q, s.outer()); err != nil || !s.in.back {
		return err
	}
	return k.Product(q, ProductArgs{
		Rows: s.in.dims.address(), Capacity: s.in.rows, A: s.out.grad.address(), B: s.weights.param("weight"),
		Out: s.in.grad.address(), K: s.Out, N: s.In, AWidth: s.Out, OutRows: s.in.rows,
	})
}

// outer is the product that makes the weights' gradient.
func (s *denseStage) outer() OuterArgs {
	return OuterArgs{
		Rows: s.in.dims.address(), Capacity: s.in.rows, X: s.in.data.address(), DZ: s.out.grad.address(), Partial: s.partial.address(),
		Directions: 1, K: s.In, N: s.Out, XWidth: s.In, DZRows: s.in.rows, Bias: s.Bias,
	}
}

// reductions add the slots into the arena.
func (s *denseStage) reductions() []ReduceJob {
	return s.outer().ReduceJobs(s.weights.grad("weight"), 0, s.weights.grad("bias"))
}

func (s *denseStage) check() (string, error) { return checkOutputs(s.Stage, s.out) }
