package task

import (
	"context"
	"io"

	"mdlstm-gpu/host/engine"
)

// Prefetcher makes batches ahead of their use in a goroutine of its own, which
// is the only one that touches the source until Close.
type Prefetcher struct {
	stop  context.CancelFunc
	ready chan item          // in the order of steps; closed when the goroutine ends
	free  chan *engine.Batch // to be filled again
	held  *engine.Batch      // what the last Next gave away
	err   error              // what every further Next returns
	ctx   context.Context
}

type item struct {
	batch *engine.Batch
	err   error
}

// Prefetch begins to make the batches from … to-1 of a source, up to depth (at
// least 1) of them ahead of the one in use. Memory is taken for depth+1 batches
// and used again, so a steady run allocates nothing. Close must be called.
func Prefetch(ctx context.Context, src Source, from, to int64, depth int) *Prefetcher {
	depth = max(1, depth)
	ctx, stop := context.WithCancel(ctx)
	p := &Prefetcher{
		stop: stop, ctx: ctx,
		ready: make(chan item, depth+1),
		free:  make(chan *engine.Batch, depth+1),
	}
	for range depth + 1 {
		p.free <- &engine.Batch{}
	}
	go p.run(ctx, src, from, to)
	return p
}

// run sends each batch, and an error as the last item. There is room in ready
// for every batch that exists, so sending never blocks.
func (p *Prefetcher) run(ctx context.Context, src Source, from, to int64) {
	defer close(p.ready)
	for t := from; t < to; t++ {
		var batch *engine.Batch
		select {
		case <-ctx.Done():
			return
		case batch = <-p.free:
		}
		// select takes either when both are there.
		if ctx.Err() != nil {
			return
		}
		err := src.Batch(t, batch)
		p.ready <- item{batch, err}
		if err != nil {
			return
		}
	}
}

// Next returns the next batch, waiting for it if need be. It is valid until the
// Next after it. Errors are io.EOF behind the last batch, the source's own, and
// the context's once it is done or Close was called; they stay.
func (p *Prefetcher) Next() (*engine.Batch, error) {
	if p.err == nil {
		p.err = p.ctx.Err()
	}
	if p.err != nil {
		return nil, p.err
	}
	if p.held != nil {
		p.free <- p.held
		p.held = nil
	}
	next, ok := <-p.ready
	switch {
	case ok && next.err == nil:
		p.held = next.batch
		return next.batch, nil
	case ok:
		p.err = next.err
	case p.ctx.Err() != nil:
		p.err = p.ctx.Err()
	default:
		p.err = io.EOF
	}
	return nil, p.err
}

// Close stops the goroutine and waits for it, at most for the batch that it is
// making. The source may be used again then. Close may be called more than once,
// but not while Next runs.
func (p *Prefetcher) Close() {
	p.stop()
	for range p.ready {
	}
	if p.err == nil {
		p.err = context.Canceled
	}
}
