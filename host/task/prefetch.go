package task

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"mdlstm-gpu/host/engine"
)

// Ahead says which batches a [Prefetcher] makes, and how.
type Ahead struct {
	From, To int64 // the batches From … To-1
	Every    int64 // of these each Every-th, the first included; 0 means 1
	// Group is how many batches Next gives; 0 means 1.
	Group int
	// Workers is how many batches are made at once, each in a goroutine of its own
	// with a fork of the source; 0 means 1, and so does any number where the source
	// is not [Divisible]. It changes neither their order nor a bit of them.
	Workers int
}

// Maker is what makes batches, as the method of [Source] does.
type Maker interface {
	Batch(t int64, dst *engine.Batch) error
}

// Prefetcher makes batches ahead of their use, in goroutines of its own: only they
// touch the source until Close.
//
// Its memory is that of 2·Group + Workers batches, those given away by Next
// included, taken once and used again, so a steady run allocates nothing; and what
// each worker's source needs to make a batch. While one group is in use the next
// one can lie ready and every worker have a batch to work on.
type Prefetcher struct {
	ctx         context.Context
	stop        context.CancelFunc
	from, every int64
	count       int64 // of batches
	group       int

	free    chan *engine.Batch // to be filled again
	begun   atomic.Int64       // batches that some worker has taken
	slots   []chan item        // the i-th batch comes through slot i mod their number
	workers sync.WaitGroup

	// Of the goroutine that calls Next.
	given int64           // batches that came
	held  []*engine.Batch // what the last Next gave away
	err   error           // what every further Next returns
}

type item struct {
	batch  *engine.Batch
	err    error
	panic  *Panic // of the source
	exited bool   // the source ended its goroutine
}

// Panic is what Next panics with when the source did, so that the panic is that of
// the goroutine which needs the batch.
type Panic struct {
	Value any    // what the source panicked with
	Stack []byte // of the source, where it did
}

// Error is the value, and the stack below it.
func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Unwrap is the value where it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// Prefetch begins to make batches of a source. Close must be called.
func Prefetch(ctx context.Context, src Source, a Ahead) *Prefetcher {
	makers := []Maker{src}
	if d, ok := src.(Divisible); ok {
		for len(makers) < a.Workers {
			makers = append(makers, d.Fork())
		}
	}
	return PrefetchFrom(ctx, makers, a)
}

// PrefetchFrom is Prefetch with a worker for each of several makers of the same
// batches, in place of a.Workers. Each is used by its worker alone.
func PrefetchFrom(ctx context.Context, makers []Maker, a Ahead) *Prefetcher {
	p := &Prefetcher{from: a.From, every: max(1, a.Every), group: max(1, a.Group)}
	p.count = (a.To - a.From + p.every - 1) / p.every
	p.ctx, p.stop = context.WithCancel(ctx)
	room := 2*p.group + len(makers)
	p.free = make(chan *engine.Batch, room)
	for range room {
		p.free <- &engine.Batch{}
		p.slots = append(p.slots, make(chan item, 1))
	}
	for _, m := range makers {
		p.workers.Go(func() { p.work(m) })
	}
	return p
}

// work makes batches, each the first that nobody has begun, until there are no
// more, one of them is an error or the context is done.
//
// A batch has its memory before it has its number. So the one that Next waits for
// is never without, and the numbers of all that are under way or wait to be used
// lie so close together that each has a slot for itself: sending never blocks.
func (p *Prefetcher) work(from Maker) {
	for {
		var batch *engine.Batch
		select {
		case <-p.ctx.Done():
			return
		case batch = <-p.free:
		}
		// select takes either when both are there.
		if p.ctx.Err() != nil {
			return
		}
		i := p.begun.Add(1) - 1
		if i >= p.count {
			return
		}
		if !p.make(from, i, batch) {
			return
		}
	}
}

// make makes the i-th batch and hands it on, whatever becomes of it: without, Next
// would wait for ever.
func (p *Prefetcher) make(from Maker, i int64, batch *engine.Batch) (good bool) {
	made := item{batch: batch, exited: true}
	defer func() {
		if value := recover(); value != nil {
			made.panic, made.exited = &Panic{value, debug.Stack()}, false
		}
		p.slots[i%int64(len(p.slots))] <- made
	}()
	made.err = from.Batch(p.from+i*p.every, batch)
	made.exited = false
	return made.err == nil
}

// Next returns the next group of batches in their order, waiting for it if need
// be; the last one has what is left. They are valid until the Next after it.
// Errors are io.EOF behind the last batch, that of the first batch that has one
// when its turn comes, and the context's once it is done or Close was called; they
// stay. Where the source panicked Next does, with a *[Panic], and where it ended
// its goroutine, as the Fatal of a test does, Next ends its own.
func (p *Prefetcher) Next() ([]*engine.Batch, error) {
	if p.err == nil {
		p.err = p.ctx.Err()
	}
	if p.err == nil && p.given >= p.count {
		p.err = io.EOF
	}
	if p.err != nil {
		return nil, p.err
	}
	for _, batch := range p.held {
		p.free <- batch
	}
	p.held = p.held[:0]
	for len(p.held) < p.group && p.given < p.count {
		select {
		case <-p.ctx.Done():
			p.err = p.ctx.Err()
		case next := <-p.slots[p.given%int64(len(p.slots))]:
			p.given++
			p.held, p.err = append(p.held, next.batch), next.err
			switch {
			case next.panic != nil:
				p.err = next.panic
				panic(next.panic)
			case next.exited:
				p.err = context.Canceled
				runtime.Goexit()
			}
		}
		if p.err != nil {
			return nil, p.err
		}
	}
	return p.held, nil
}

// Close stops the goroutines and waits for them, at most for the batches that
// they are making. The source may be used again then. Close may be called more
// than once, but not while Next runs.
func (p *Prefetcher) Close() {
	p.stop()
	p.workers.Wait()
	if p.err == nil {
		p.err = context.Canceled
	}
}
