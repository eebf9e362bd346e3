package gpu

import (
	"errors"
	"fmt"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
)

// build lays the plan out for samples and takes its memory, all of it or none.
func (p *plan) build(samples []grid.Shape) error {
	err := p.lay(samples)
	if err == nil {
		err = p.affordable()
	}
	if err == nil {
		err = p.allocate()
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, cuda.OutOfMemory) && !errors.Is(err, engine.ErrMemory) {
		err = fmt.Errorf("%w: %w: %w", engine.ErrMemory, p.request(), err)
	}
	return errors.Join(err, p.release())
}

// bytes is the device memory that the plan holds or wants.
func (p *plan) bytes() int64 {
	if p.work == nil {
		return 0
	}
	n := p.work.bytes()
	for _, more := range []int64{p.inputs.bytes(), p.inputs.bytes(), p.scalars.bytes()} {
		n = saturated(n, more)
	}
	return n
}

func saturated(a, b int64) int64 {
	if a > maxBytes-b {
		return maxBytes
	}
	return a + b
}

// affordable refuses a plan that the device has no memory for, before any of it
// is taken.
func (p *plan) affordable() error {
	free, _, err := p.e.c.MemoryInfo()
	if err != nil {
		return err
	}
	free += p.e.c.Usage().Pooled // given back when needed
	if p.bytes() <= free {
		return nil
	}
	return fmt.Errorf("%w: %w, %s are free: use a smaller batch or size", engine.ErrMemory, p.request(), cuda.FormatBytes(free))
}

// request says what the plan is for and what it takes.
func (p *plan) request() error {
	return fmt.Errorf("a batch of %d samples, %d cells in all, needs %s on the device",
		p.capacity.Samples, p.capacity.Rows, cuda.FormatBytes(p.bytes()))
}

// allocate takes device and pinned memory for what was laid out.
func (p *plan) allocate() (err error) {
	c, q := p.e.c, p.e.stream
	owner := fmt.Sprintf("plan of %d cells", p.capacity.Rows)
	if err := p.work.alloc(c, owner, q); err != nil {
		return err
	}
	if err := p.scalars.alloc(c, owner, q); err != nil {
		return err
	}
	for i := range p.slots {
		if p.slots[i], err = newSlot(c, owner, p.inputs, q); err != nil {
			return err
		}
	}
	if p.pinned, err = c.AllocPinned(owner, p.scalars.bytes()); err != nil {
		return err
	}
	p.words = cuda.Slice[uint32](p.pinned)
	clear(p.words)
	if p.loss.read, err = c.AllocPinned(owner, 4*p.loss.sums.n); err != nil {
		return err
	}
	p.loss.partial = cuda.Slice[float32](p.loss.read)
	if p.measured, err = c.NewEvent(false); err != nil {
		return err
	}
	p.graphs = map[graphKey]*cuda.Graph{}
	return nil
}

// loadReductions uploads the table of the sums of all weight gradients, once for
// each variant.
func (p *plan) loadReductions() error {
	if _, ok := p.reducing[p.variant]; ok {
		return nil
	}
	var list []ReduceJob
	for _, s := range p.stages {
		if s, ok := s.(interface{ reductions() []ReduceJob }); ok {
			list = append(list, s.reductions()...)
		}
	}
	table, jobs, err := ReduceTable(list)
	if err != nil {
		return err
	}
	m, err := p.e.c.Alloc("reduction jobs", int64(8*len(table)))
	if err != nil {
		return memoryError("the sums of gradients", err)
	}
	p.jobs = append(p.jobs, m)
	jobs.Table = m.Address()
	if err := cuda.Upload(m, 0, table); err != nil {
		return err
	}
	p.reducing[p.variant] = jobs
	return nil
}

// release gives everything back; the plan may be built again.
func (p *plan) release() error {
	p.loaded = false
	var errs []error
	for _, g := range p.graphs {
		errs = append(errs, g.Close())
	}
	p.graphs = nil
	for i, k := range p.slots {
		if k != nil {
			errs = append(errs, k.free())
		}
		p.slots[i] = nil
	}
	if p.measured != nil {
		errs = append(errs, p.measured.Close())
		p.measured = nil
	}
	if p.loss != nil {
		errs = append(errs, p.loss.read.Free())
	}
	for _, m := range p.jobs {
		errs = append(errs, m.Free())
	}
	errs = append(errs, p.pinned.Free())
	p.pinned, p.jobs, p.sent = nil, nil, nil
	for _, b := range []*block{p.work, p.scalars} {
		if b != nil {
			errs = append(errs, b.free())
		}
	}
	p.layout = layout{}
	return errors.Join(errs...)
}
