package mdlstm

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"mdlstm-gpu/host/nn"
)

// Model is a network with its parameters. See the package's table for what may
// run at the same time.
type Model struct {
	net     *nn.Model
	engines *engines
	turn    chan struct{} // holds a token while nobody trains

	// Of whoever has the turn:
	optimizer Optimizer // whose moments the first engine has; "" = none yet

	mu      sync.RWMutex
	params  []float32
	version int64 // counts the changes of params
	steps   int64
}

// New makes a model with parameters that follow from o.Seed. Errors are one
// line: of the configuration, they name the key; of the options, the field; of the
// machine, they wrap [ErrMemory] or [ErrNoDevice]. The model should be closed after use.
func New(c Config, o Options) (*Model, error) {
	net, err := nn.New(c)
	if err != nil {
		return nil, err
	}
	return newModel(net, func() []float32 { return net.Init(o.Seed) }, o)
}

// Load reads a model file, as [Model.Save], the program mdlstm-gpu and
// scripts/torch_mdlstm.py write it. Errors of the file begin with "load" and the
// path. The model should be closed after use.
func Load(path string, o Options) (*Model, error) {
	net, params, err := nn.LoadModel(path)
	if err != nil {
		return nil, err
	}
	return newModel(net, func() []float32 { return params }, o)
}

// newModel asks for the parameters when it is known that they fit into memory.
func newModel(net *nn.Model, params func() []float32, o Options) (*Model, error) {
	e, err := newEngines(net, o)
	if err != nil {
		return nil, err
	}
	m := &Model{net: net, engines: e, params: params(), turn: make(chan struct{}, 1)}
	m.turn <- struct{}{}
	return m, nil
}

// Close waits for the calls that are running and frees what they used. After it
// calls that compute return [ErrClosed]; Save and what only asks still work. A
// second Close does nothing.
func (m *Model) Close() error { return m.engines.shut() }

// Save writes a model file. It appears whole or not at all, and replaces a file
// that was there. Errors begin with "write" and the path.
func (m *Model) Save(path string) error {
	return nn.SaveModel(path, m.net, m.Parameters())
}

// Config is the configuration, with its defaults filled in.
func (m *Model) Config() Config { return m.net.Config.WithDefaults() }

// Net says what the model is made of: its layers, and the names, shapes and
// places of its parameters. It must not be changed.
func (m *Model) Net() *nn.Model { return m.net }

// Info says what computes. It waits for an engine and returns the zero Info when
// the model is closed.
func (m *Model) Info() Info {
	w, err := m.engines.take(context.Background())
	if err != nil {
		return Info{}
	}
	defer w.release()
	return w.Info()
}

// OutputShape is the grid of the outputs for a sample: windows make it smaller,
// sums take axes away. Errors wrap [ErrShape].
func (m *Model) OutputShape(in Shape) (Shape, error) { return outputShape(m.net, in) }

// Steps is how many training steps were done since New or Load.
func (m *Model) Steps() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.steps
}

// Parameters returns a copy of all parameters, flat; Net().Params says where each
// tensor lies.
func (m *Model) Parameters() []float32 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.params)
}

// SetParameters replaces all parameters by a copy of p. It waits for the end of
// a training that is running. Another length is an error that wraps [ErrShape].
func (m *Model) SetParameters(p []float32) error {
	if len(p) != len(m.params) {
		return fmt.Errorf("%w: %d parameters, the model has %d", ErrShape, len(p), len(m.params))
	}
	<-m.turn
	defer func() { m.turn <- struct{}{} }()
	m.mu.Lock()
	defer m.mu.Unlock()
	copy(m.params, p)
	m.version++
	return nil
}

// refresh gives a worker the newest parameters.
func (m *Model) refresh(w *worker) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if w.version == m.version {
		return nil
	}
	if err := w.SetParameters(m.params); err != nil {
		return err
	}
	w.version = m.version
	return nil
}

// publish makes a worker's parameters everybody's, after a step.
func (m *Model) publish(w *worker) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := w.Parameters(m.params); err != nil {
		return err
	}
	m.version++
	w.version = m.version
	return nil
}

// take waits for an engine and gives it the newest parameters.
func (m *Model) take(ctx context.Context) (*worker, error) {
	w, err := m.engines.take(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.refresh(w); err != nil {
		w.release()
		return nil, err
	}
	return w, nil
}
