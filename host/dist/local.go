package dist

import (
	"errors"
	"fmt"
	"sync"
)

// ErrAborted: another rank ended the group.
var ErrAborted = errors.New("the other ranks are gone")

// Local makes n ranks that are goroutines of this process, for tests. A call
// returns when all ranks have made it, or with [ErrAborted] once one of them has
// called Abort or Close. A rank that calls another method than the rest is an
// error of all: with MPI it would be a deadlock, or garbage.
func Local(n int) []Comm {
	g := &group{slots: make([]slot, n)}
	g.turned = sync.NewCond(&g.mu)
	ranks := make([]Comm, n)
	for k := range ranks {
		ranks[k] = &local{group: g, rank: k}
	}
	return ranks
}

// group is what local ranks share.
type group struct {
	mu      sync.Mutex
	turned  *sync.Cond
	slots   []slot
	waiting int
	turn    int // how many times all have met
	broken  error
}

// slot is what a rank brings to a call.
type slot struct {
	call string
	data []byte
}

type local struct {
	*group
	rank int
}

var _ Comm = (*local)(nil)

// meet waits for all ranks.
func (g *group) meet() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken != nil {
		return g.broken
	}
	turn := g.turn
	if g.waiting++; g.waiting == len(g.slots) {
		g.waiting = 0
		g.turn++
		for k := range g.slots {
			if g.slots[k].call != g.slots[0].call {
				g.broken = fmt.Errorf("rank 0 is in %s, rank %d in %s", g.slots[0].call, k, g.slots[k].call)
			}
		}
		g.turned.Broadcast()
		return g.broken
	}
	for g.turn == turn && g.broken == nil {
		g.turned.Wait()
	}
	return g.broken
}

// call brings data, waits for those of all, uses them and waits for all to have
// done so.
func (l *local) call(name string, data []byte, use func(slots []slot)) error {
	l.slots[l.rank] = slot{name, data}
	if err := l.meet(); err != nil {
		return err
	}
	use(l.slots)
	return l.meet()
}

func (l *local) Rank() int { return l.rank }
func (l *local) Size() int { return len(l.slots) }

func (l *local) Exchange(send Memory, recv []byte, offsets []int) error {
	return l.call("Exchange", send.host, func(slots []slot) {
		from, to := offsets[l.rank], offsets[l.rank+1]
		for k, s := range slots {
			copy(recv[k*(to-from):][:to-from], s.data[from:to])
		}
	})
}

func (l *local) Gather(own []byte, all Memory, offsets []int) error {
	return l.call("Gather", own, func(slots []slot) {
		for k, s := range slots {
			copy(all.host[offsets[k]:offsets[k+1]], s.data)
		}
	})
}

func (l *local) Broadcast(data []byte) error {
	return l.call("Broadcast", data, func(slots []slot) {
		if l.rank != 0 {
			copy(data, slots[0].data)
		}
	})
}

func (l *local) Device() bool { return false }

func (l *local) Abort(int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.broken = ErrAborted
	}
	l.turned.Broadcast()
}

func (l *local) Close() error {
	l.Abort(0)
	return nil
}
