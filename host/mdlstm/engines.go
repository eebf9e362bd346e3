package mdlstm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"mdlstm-gpu/host/compute"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
)

// engines are those of one model. An engine is for one goroutine at a time, so
// a call takes one and gives it back. The first has all threads, and the
// optimizer's state; the others, made when they are first needed, have one
// thread each. All give the same bits.
type engines struct {
	first   chan *worker // room for one
	others  chan *worker
	unmade  chan struct{} // a token for each of the others that does not exist yet
	machine compute.Machine
	model   *nn.Model

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

// maxEngines bounds Options.Engines: beyond it a typing error is likelier than
// a machine.
const maxEngines = compute.MaxThreads

// newEngines finds what computes and opens the first engine.
func newEngines(net *nn.Model, o Options) (*engines, error) {
	if o.Engines < 0 || o.Engines > maxEngines {
		return nil, fmt.Errorf("options: Engines %d: want 1 to %d, or 0 for the default", o.Engines, maxEngines)
	}
	machine, err := compute.Find(compute.Options{
		Device: o.Device, Threads: o.Threads, BLAS: o.BLAS,
		Kernels: o.Kernels, Precision: o.Precision, Recompute: o.Recompute, Temp: o.Temp,
	})
	if err != nil {
		return nil, err
	}
	most := o.Engines
	switch {
	case most > 0:
	case machine.GPU != nil:
		most = 1
	default:
		most = runtime.GOMAXPROCS(0)
	}
	first, err := machine.Open(net)
	if err != nil {
		return nil, err
	}
	p := &engines{
		first: make(chan *worker, 1), others: make(chan *worker, most-1), unmade: make(chan struct{}, most-1),
		machine: machine, model: net, closing: make(chan struct{}),
	}
	p.first <- &worker{Engine: first, version: noVersion, home: p.first}
	for range most - 1 {
		p.unmade <- struct{}{}
	}
	return p, nil
}

// another opens one more engine, of one thread.
func (p *engines) another() (engine.Engine, error) {
	m := p.machine
	m.Threads = 1
	return m.Open(p.model)
}

// noVersion is that of an engine which has no parameters yet.
const noVersion = -1

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
		e, err := p.another()
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
