package cuda

import (
	"errors"
	"sync"
)

// Profile times the kernels of a context.
type Profile struct {
	c     *Context
	mu    sync.Mutex
	runs  []timedRun // since the last Take
	spare []*Event   // that mark nothing
}

type timedRun struct {
	kernel     string
	start, end *Event
}

// KernelTime is what a kernel took on the device.
type KernelTime struct {
	Kernel       string
	Launches     int
	Milliseconds float64 // of all launches
}

// Profile has the context time every kernel from now on, until it is closed. Graphs
// run launch by launch then, with an event before and behind each: a kernel's time
// has one or two microseconds of that in it, and steps take longer than they do
// without. Copies and fills are not timed.
func (c *Context) Profile() *Profile {
	c.profile.CompareAndSwap(nil, &Profile{c: c})
	return c.profile.Load()
}

// around queues a launch on s between two events.
func (p *Profile) around(s *Stream, kernel string, launch func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.spare) < 2 {
		e, err := p.c.NewEvent(true)
		if err != nil {
			return err
		}
		p.spare = append(p.spare, e)
	}
	rest := len(p.spare) - 2
	start, end := p.spare[rest], p.spare[rest+1]
	if err := start.Record(s); err != nil {
		return err
	}
	if err := launch(); err != nil {
		return err
	}
	if err := end.Record(s); err != nil {
		return err
	}
	p.spare = p.spare[:rest]
	p.runs = append(p.runs, timedRun{kernel, start, end})
	return nil
}

// Take waits for the device and returns what each kernel took that was launched
// since the last Take, in the order of their first launches.
func (p *Profile) Take() ([]KernelTime, error) {
	if err := p.c.Synchronize(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var times []KernelTime
	at := map[string]int{}
	for _, r := range p.runs {
		ms, err := r.end.Since(r.start)
		if err != nil {
			return nil, err
		}
		i, known := at[r.kernel]
		if !known {
			i = len(times)
			at[r.kernel] = i
			times = append(times, KernelTime{Kernel: r.kernel})
		}
		times[i].Launches++
		times[i].Milliseconds += float64(ms)
		p.spare = append(p.spare, r.start, r.end)
	}
	p.runs = p.runs[:0]
	return times, nil
}

// close ends the events.
func (p *Profile) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, r := range p.runs {
		p.spare = append(p.spare, r.start, r.end)
	}
	for _, e := range p.spare {
		errs = append(errs, e.Close())
	}
	p.runs, p.spare = nil, nil
	return errors.Join(errs...)
}
