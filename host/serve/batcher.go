package serve

import (
	"context"
	"errors"
	"sync"
	"time"

	"mdlstm-gpu/host/grid"
)

// computeFunc computes packed samples: x [cells, K] to out [output cells, units].
type computeFunc func(samples []grid.Shape, x, out []float32) error

// work is what one request asks for. Its fields but ctx and done belong to the
// batcher until done is closed.
type work struct {
	ctx  context.Context
	left int // parts that are not done
	err  error
	done chan struct{}
}

// part is some of a request's samples, at most a batch.
type part struct {
	*work
	samples []grid.Shape
	cells   int
	x, out  []float32
	came    time.Time
}

// batcher computes parts of many requests together, in the order in which they
// came.
type batcher struct {
	compute  computeFunc
	samples  int // of a batch, at most
	cells    int
	wait     time.Duration
	observer batchObserver

	mu     sync.Mutex
	queue  []*part
	closed bool
	came   chan struct{} // a token when the queue has grown, or was closed
	ended  chan struct{}

	x, out []float32 // of a batch
}

// batchObserver is told what was computed, and what was left out.
type batchObserver interface {
	computed(samples, cells int, took time.Duration)
	dropped(parts int)
}

var errClosed = errors.New("the server has ended")

func newBatcher(o Options, compute computeFunc, observer batchObserver) *batcher {
	b := &batcher{
		compute: compute, samples: o.Batch, cells: o.BatchCells, wait: o.BatchWait, observer: observer,
		came: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	go b.run()
	return b
}

// submit queues a request's parts; the caller waits for w.done. out takes the
// outputs, each sample's as many values as sizes says.
func (b *batcher) submit(w *work, samples []grid.Shape, sizes []int, channels int, x, out []float32) error {
	parts := b.cut(w, samples, sizes, channels, x, out)
	w.left = len(parts)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	b.queue = append(b.queue, parts...)
	b.signal()
	return nil
}

// cut makes parts of at most a batch.
func (b *batcher) cut(w *work, samples []grid.Shape, sizes []int, channels int, x, out []float32) []*part {
	var parts []*part
	now := time.Now()
	for from := 0; from < len(samples); {
		cells, values, to := 0, 0, from
		for to < len(samples) && to-from < b.samples {
			n := samples[to].Cells()
			if to > from && cells+n > b.cells {
				break
			}
			cells += n
			values += sizes[to]
			to++
		}
		p := &part{work: w, samples: samples[from:to], cells: cells, x: x[:cells*channels], out: out[:values], came: now}
		x, out = x[cells*channels:], out[values:]
		parts = append(parts, p)
		from = to
	}
	return parts
}

func (b *batcher) signal() {
	select {
	case b.came <- struct{}{}:
	default:
	}
}

// waiting is how many parts are in the queue.
func (b *batcher) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)
}

// close ends the batcher after the batch at work; what waits gets errClosed.
func (b *batcher) close() {
	b.mu.Lock()
	b.closed = true
	b.signal()
	b.mu.Unlock()
	<-b.ended
}

func (b *batcher) run() {
	defer close(b.ended)
	for {
		batch, more := b.collect()
		if len(batch) > 0 {
			b.do(batch)
		}
		if !more {
			return
		}
	}
}

// collect waits for a batch: it is full, or its first part has waited long
// enough. more is false when the batcher was closed.
func (b *batcher) collect() (batch []*part, more bool) {
	var timer *time.Timer
	var late <-chan time.Time
	samples, cells := 0, 0
	for {
		b.mu.Lock()
		if b.closed {
			rest := append(batch, b.queue...)
			b.queue = nil
			b.mu.Unlock()
			for _, p := range rest {
				p.finish(errClosed)
			}
			return nil, false
		}
		full := false
		for len(b.queue) > 0 && !full {
			p := b.queue[0]
			switch {
			case p.ctx.Err() != nil || p.err != nil: // nobody waits for it
				b.observer.dropped(1)
				p.finish(p.ctx.Err())
			case len(batch) > 0 && (samples+len(p.samples) > b.samples || cells+p.cells > b.cells || len(p.samples[0]) != len(batch[0].samples[0])):
				full = true
				continue
			default:
				batch = append(batch, p)
				samples, cells = samples+len(p.samples), cells+p.cells
				full = samples >= b.samples || cells >= b.cells
			}
			b.queue[0] = nil
			b.queue = b.queue[1:]
		}
		b.mu.Unlock()
		if full {
			return batch, true
		}
		if len(batch) > 0 {
			left := b.wait - time.Since(batch[0].came)
			if left <= 0 {
				return batch, true
			}
			if timer == nil {
				timer = time.NewTimer(left)
				defer timer.Stop()
				late = timer.C
			}
		}
		select {
		case <-b.came:
		case <-late:
			return batch, true
		}
	}
}

// do computes a batch. Parts whose client went while the batch was collected are
// left out; where it fails, each part is tried by itself, so that none answers
// for another.
func (b *batcher) do(batch []*part) {
	live := batch[:0]
	for _, p := range batch {
		if err := p.ctx.Err(); err != nil {
			b.observer.dropped(1)
			p.finish(err)
			continue
		}
		live = append(live, p)
	}
	if len(live) == 0 {
		return
	}
	err := b.together(live)
	if err == nil || len(live) == 1 {
		for _, p := range live {
			p.finish(err)
		}
		return
	}
	for i := range live {
		live[i].finish(b.together(live[i : i+1]))
	}
}

// together computes some parts at once.
func (b *batcher) together(parts []*part) error {
	began := time.Now()
	var samples []grid.Shape
	cells := 0
	for _, p := range parts {
		samples = append(samples, p.samples...)
		cells += p.cells
	}
	x, out := parts[0].x, parts[0].out
	if len(parts) > 1 {
		b.x, b.out = b.x[:0], b.out[:0]
		values := 0
		for _, p := range parts {
			b.x = append(b.x, p.x...)
			values += len(p.out)
		}
		if cap(b.out) < values {
			b.out = make([]float32, values)
		}
		x, out = b.x, b.out[:values]
	}
	if err := b.compute(samples, x, out); err != nil {
		return err
	}
	if len(parts) > 1 {
		for _, p := range parts {
			copy(p.out, out)
			out = out[len(p.out):]
		}
	}
	b.observer.computed(len(samples), cells, time.Since(began))
	return nil
}

// finish ends a part; the last one ends the request.
func (p *part) finish(err error) {
	if p.err == nil {
		p.err = err
	}
	if p.left--; p.left == 0 {
		close(p.done)
	}
}
