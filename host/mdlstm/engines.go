package mdlstm

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/nn"
)

// engines are those of one model. An engine is for one goroutine at a time, so
// a call takes one and gives it back. The first has all threads, and the
// optimizer's state; the others, made when they are first needed, have one
// thread each. All give the same bits.
type engines struct {
	first  chan *worker // room for one
	others chan *worker
	unmade chan struct{} // a token for each of the others that does not exist yet
	open   func(threads int) (engine.Engine, error)

	closing chan struct{}
	close   sync.Once
	closed  error // of closing the engines
}

// worker is an engine, and which parameters it has.
type worker struct {
	engine.Engine
	version int64
	home    chan *worker
}

func (w *worker) release() { w.home <- w }

// newEngines opens the first engine.
func newEngines(net *nn.Model, o Options) (*engines, error) {
	open, most, err := opener(net, o.Device)
	if err != nil {
		return nil, err
	}
	if o.Engines > 0 {
		most = o.Engines
	}
	threads := o.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	first, err := open(threads)
	if err != nil {
		return nil, err
	}
	p := &engines{
		first: make(chan *worker, 1), others: make(chan *worker, most-1), unmade: make(chan struct{}, most-1),
		open: open, closing: make(chan struct{}),
	}
	p.first <- &worker{Engine: first, version: noVersion, home: p.first}
	for range most - 1 {
		p.unmade <- struct{}{}
	}
	return p, nil
}

// noVersion is that of an engine which has no parameters yet.
const noVersion = -1

// opener finds the device. It returns what opens engines on it, and how many
// there should be.
func opener(net *nn.Model, device Device) (open func(threads int) (engine.Engine, error), most int, err error) {
	if device != CPU {
		d, err := cuda.FirstUsable()
		if err != nil && (device == GPU || !errors.Is(err, cuda.ErrNoDevice)) {
			return nil, 0, err
		}
		if err == nil && (device == GPU || !d.Emulated) {
			return func(int) (engine.Engine, error) {
				return opened(gpu.New(net, gpu.Options{Device: d.Ordinal}))
			}, 1, nil
		}
	}
	return func(threads int) (engine.Engine, error) {
		return opened(cpu.New(net, cpu.Options{Threads: threads}))
	}, runtime.GOMAXPROCS(0), nil
}

// opened makes the nil of a failed New one of the interface's.
func opened[E engine.Engine](e E, err error) (engine.Engine, error) {
	if err != nil {
		return nil, err
	}
	return e, nil
}

// usable says why no engine may be taken any more.
func (p *engines) usable(ctx context.Context) error {
	select {
	case <-p.closing:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

// takeFirst waits for the first engine.
func (p *engines) takeFirst(ctx context.Context) (*worker, error) {
	if err := p.usable(ctx); err != nil {
		return nil, err
	}
	select {
	case w := <-p.first:
		return w, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closing:
		return nil, ErrClosed
	}
}

// take waits for an engine: the first if it is free, else one of the others
// that exists, else a new one, else whichever is free first.
func (p *engines) take(ctx context.Context) (*worker, error) {
	if err := p.usable(ctx); err != nil {
		return nil, err
	}
	select {
	case w := <-p.first:
		return w, nil
	default:
	}
	select {
	case w := <-p.others:
		return w, nil
	default:
	}
	select {
	case w := <-p.first:
		return w, nil
	case w := <-p.others:
		return w, nil
	case <-p.unmade:
		e, err := p.open(1)
		if err != nil {
			p.unmade <- struct{}{}
			return nil, err
		}
		return &worker{Engine: e, version: noVersion, home: p.others}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closing:
		return nil, ErrClosed
	}
}

// shut waits until all engines are given back, and closes them.
func (p *engines) shut() error {
	p.close.Do(func() {
		close(p.closing)
		errs := []error{(<-p.first).Close()}
		for range cap(p.others) {
			select {
			case w := <-p.others:
				errs = append(errs, w.Close())
			case <-p.unmade:
			}
		}
		p.closed = errors.Join(errs...)
	})
	return p.closed
}
