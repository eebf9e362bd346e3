package mdlstm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"mdlstm-gpu/host/task"
)

// feed makes the batches of a call ahead of their use, on goroutines of its own,
// so that the engine need not wait for them.
type feed struct {
	ctx   context.Context
	ahead *task.Prefetcher
	next  int64 // number of the next batch
	// quiet holds a token while the source itself is not called. A channel, unlike a
	// mutex, serves whoever waits before whoever takes it again.
	quiet  chan struct{}
	waited time.Duration // for the token since the last batch
}

// fit refuses no source, and one of package task that the model does not fit, and
// says what its largest batch is; of others neither is known.
func (m *Model) fit(src Source) (largest []Shape, err error) {
	if src == nil {
		return nil, errors.New("the source is nil")
	}
	s, ok := src.(task.Source)
	if !ok {
		return nil, nil
	}
	if err := s.Check(m.net); err != nil {
		return nil, err
	}
	return s.Largest(), nil
}

// newFeed begins to make batches first … first+n-1 of a source, several at once
// where there are forks of it. It must be closed.
func newFeed(ctx context.Context, src Source, first, n int64, workers int) *feed {
	f := &feed{ctx: ctx, next: first, quiet: make(chan struct{}, 1)}
	f.quiet <- struct{}{}
	var makers []task.Maker
	switch s := src.(type) {
	case Forker:
		for range workers {
			makers = append(makers, s.Fork())
		}
	case task.Divisible:
		for range workers {
			makers = append(makers, s.Fork())
		}
	default:
		makers = append(makers, alone{src, f.quiet})
	}
	last := first + min(n, math.MaxInt64-max(first, 0))
	f.ahead = task.PrefetchFrom(ctx, makers, task.Ahead{From: first, To: last})
	return f
}

// alone is a source that is called while it holds a token.
type alone struct {
	Source
	quiet chan struct{}
}

func (a alone) Batch(t int64, b *Batch) error {
	<-a.quiet
	defer func() { a.quiet <- struct{}{} }()
	return a.Source.Batch(t, b)
}

// batch waits for the next batch, which is valid until the one after it, and says
// how long. Errors are the context's, and the source's with the number of the
// batch.
func (f *feed) batch() (b *Batch, waited time.Duration, err error) {
	began := time.Now()
	group, err := f.ahead.Next()
	waited, f.waited = f.waited+time.Since(began), 0
	number := f.next
	f.next++
	if err == nil {
		return group[0], waited, nil
	}
	if ended := f.ctx.Err(); ended != nil {
		return nil, waited, ended
	}
	return nil, waited, fmt.Errorf("batch %d: %w", number, err)
}

// resting calls do while the source itself is not called, only forks of it.
func (f *feed) resting(do func() error) error {
	began := time.Now()
	<-f.quiet
	defer func() { f.quiet <- struct{}{} }()
	f.waited += time.Since(began)
	return do()
}

// close waits for the batches that are being made.
func (f *feed) close() { f.ahead.Close() }
