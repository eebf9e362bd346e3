package cuda

import (
	"fmt"
	"runtime"
)

// Graph is recorded work that is launched as one.
type Graph struct {
	c      *Context
	exec   handle
	nodes  int
	name   string
	record func(*Stream) error // for MDLSTM_SYNC=1 and a profile, which run it anew
}

// Capture records the work that f queues on s, and on streams that wait for
// events of s, without running it. F may neither wait, nor allocate, nor start
// goroutines that use the device; what it queues must be the same each time, for
// with MDLSTM_SYNC=1 or a [Profile] every launch of the graph runs f again. Work on other
// streams must be joined by an event before f returns. An error of f ends the
// recording and is returned.
func (c *Context) Capture(name string, s *Stream, f func(*Stream) error) (*Graph, error) {
	runtime.LockOSThread() // a recording begins and ends in the same thread
	defer runtime.UnlockOSThread()
	c.capturing.Add(1)
	defer c.capturing.Add(-1)

	if err := c.call("cuStreamBeginCapture", func() Result { return c.drv.beginCapture(s.handle) }); err != nil {
		return nil, fmt.Errorf("graph %s: %w", name, err)
	}
	s.capturing = true
	failed := f(s)
	s.capturing = false
	var recorded handle
	err := c.call("cuStreamEndCapture", func() (r Result) {
		recorded, r = c.drv.endCapture(s.handle)
		return r
	})
	if recorded != 0 {
		defer func() { _ = c.call("cuGraphDestroy", func() Result { return c.drv.destroyGraph(recorded) }) }()
	}
	if failed != nil {
		err = failed // the cause; a recording that ended badly is its effect
	}
	if err != nil {
		return nil, fmt.Errorf("graph %s: %w", name, err)
	}

	g := &Graph{c: c, name: name, record: f}
	err = c.call("cuGraphGetNodes", func() (r Result) {
		g.nodes, r = c.drv.graphNodes(recorded)
		return r
	})
	if err == nil {
		err = c.call("cuGraphInstantiate", func() (r Result) {
			g.exec, r = c.drv.instantiate(recorded)
			return r
		})
	}
	if err != nil {
		return nil, fmt.Errorf("graph %s: %w", name, err)
	}
	return g, nil
}

// Nodes is how many kernels, copies, fills and marks the graph holds.
func (g *Graph) Nodes() int { return g.nodes }

// Launch queues the graph on s and returns without waiting.
func (g *Graph) Launch(s *Stream) error {
	if g.c.sync || g.c.profile.Load() != nil {
		if err := g.record(s); err != nil {
			return fmt.Errorf("graph %s, a kernel at a time: %w", g.name, err)
		}
		return nil
	}
	label := "graph " + g.name
	g.c.last.Store(&label)
	return g.c.call("cuGraphLaunch", func() Result { return g.c.drv.launchGraph(g.exec, s.handle) })
}

// Close ends the graph, after waiting for all work on the device. Closing twice
// does nothing.
func (g *Graph) Close() error {
	if g.exec == 0 || g.c.closed.Load() {
		return nil
	}
	if err := g.c.Synchronize(); err != nil {
		return err
	}
	x := g.exec
	g.exec = 0
	return g.c.call("cuGraphExecDestroy", func() Result { return g.c.drv.destroyExec(x) })
}
