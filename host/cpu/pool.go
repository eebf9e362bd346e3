package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// pool is a fixed set of workers. The caller of run is worker 0.
type pool struct {
	workers int
	job     func(task, worker int)
	tasks   int64
	next    atomic.Int64
	wake    []chan struct{} // of workers 1 …
	running sync.WaitGroup
	closed  sync.Once
}

func newPool(workers int) *pool {
	p := &pool{workers: workers}
	for w := 1; w < workers; w++ {
		wake := make(chan struct{}, 1)
		p.wake = append(p.wake, wake)
		go func() {
			for range wake {
				p.drain(w)
				p.running.Done()
			}
		}()
	}
	return p
}

func (p *pool) close() {
	p.closed.Do(func() {
		for _, wake := range p.wake {
			close(wake)
		}
	})
}

// run calls job(task, worker) for every task in [0, tasks) and returns when all
// are done. Which worker takes which task is left to chance. job must not call
// run.
func (p *pool) run(tasks int, job func(task, worker int)) {
	helpers := min(p.workers, tasks) - 1
	if helpers < 1 {
		for task := range tasks {
			job(task, 0)
		}
		return
	}
	p.job, p.tasks = job, int64(tasks)
	p.next.Store(0)
	p.running.Add(helpers)
	for _, wake := range p.wake[:helpers] {
		wake <- struct{}{}
	}
	p.drain(0)
	p.running.Wait()
	p.job = nil
}

func (p *pool) drain(worker int) {
	for {
		task := p.next.Add(1) - 1
		if task >= p.tasks {
			return
		}
		p.job(int(task), worker)
	}
}

// barrier lets a fixed number of workers wait for each other. It spins, because
// the wait between two wavefronts is shorter than putting a thread to sleep,
// and yields so that it also ends where there are fewer cores than workers.
type barrier struct {
	size    int32
	arrived atomic.Int32
	round   atomic.Uint32
}

// spins is how often a waiting worker looks before it yields its thread.
const spins = 2000

func (b *barrier) wait() {
	round := b.round.Load()
	if b.arrived.Add(1) == b.size {
		b.arrived.Store(0)
		b.round.Add(1)
		return
	}
	for i := 0; b.round.Load() == round; i++ {
		if i > spins {
			runtime.Gosched()
		}
	}
}
