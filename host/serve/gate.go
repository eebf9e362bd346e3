package serve

import (
	"net/http"
	"sync"
)

// gate bounds how many requests are inside, and how many bytes they hold.
type gate struct {
	mostRequests int
	mostBytes    int64

	mu       sync.Mutex
	requests int
	bytes    int64
}

// visit is a request that was let in.
type visit struct {
	gate  *gate
	bytes int64
	left  bool
}

// enter lets a request in, or says why not. Whoever is in has to leave.
func (g *gate) enter() (*visit, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.requests >= g.mostRequests {
		return nil, busyf(http.StatusTooManyRequests, "%d requests are being served, which is all that the server takes at once: try again in a second", g.requests)
	}
	g.requests++
	return &visit{gate: g}, nil
}

// leave ends the visit; a second time does nothing.
func (v *visit) leave() {
	if v.left {
		return
	}
	v.left = true
	v.gate.mu.Lock()
	defer v.gate.mu.Unlock()
	v.gate.requests--
	v.gate.bytes -= v.bytes
}

// leaveAfter ends the visit when done is closed: its bytes are in the queue
// until then, though nobody waits for them.
func (v *visit) leaveAfter(done <-chan struct{}) {
	rest := &visit{gate: v.gate, bytes: v.bytes}
	v.left = true
	go func() {
		<-done
		rest.leave()
	}()
}

// hold asks for n bytes more; a negative n gives them back.
func (v *visit) hold(n int64) error {
	g := v.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case n > g.mostBytes-v.bytes:
		return faultf(http.StatusRequestEntityTooLarge, "the request needs %d bytes with its inputs and outputs, the server has %d for all: send fewer or smaller samples", v.bytes+n, g.mostBytes)
	case n > g.mostBytes-g.bytes:
		return busyf(http.StatusTooManyRequests, "the server's memory for requests is taken: try again in a second")
	}
	g.bytes += n
	v.bytes += n
	return nil
}

// inside is how many requests there are, and their bytes.
func (g *gate) inside() (requests int, bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.requests, g.bytes
}
