package gpu

import (
	"errors"
	"fmt"
	"slices"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
)

// build lays the plan out for samples and takes its memory, all of it or none.
func (p *plan) build(samples []grid.Shape) error {
	err := p.lay(samples)
	if err == nil {
		err = p.affordable(samples)
	}
	if err == nil {
		err = p.allocate()
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, cuda.OutOfMemory) && !errors.Is(err, engine.ErrMemory) {
		err = fmt.Errorf("%w: %w: %w", engine.ErrMemory, p.request(samples), err)
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
func (p *plan) affordable(samples []grid.Shape) error {
	free, _, err := p.e.c.MemoryInfo()
	if err != nil {
		return err
	}
	free += p.e.c.Usage().Pooled // given back when needed
	if p.bytes() <= free {
		return nil
	}
	return fmt.Errorf("%w: %w, %s free: lower --batch or --size", engine.ErrMemory, p.request(samples), cuda.FormatBytes(free))
}

// request says what the plan is for and what it takes: "batch 4096 of 64x64 needs
// 31.2 GiB", or how many cells where sizes differ.
func (p *plan) request(samples []grid.Shape) error {
	size := fmt.Sprintf("%d cells in all", p.capacity.Rows)
	if p.capacity.Samples == len(samples) && p.capacity.Rows == len(samples)*samples[0].Cells() &&
		!slices.ContainsFunc(samples, func(s grid.Shape) bool { return !slices.Equal(s, samples[0]) }) {
		size = samples[0].String()
	}
	return fmt.Errorf("batch %d of %s needs %s", p.capacity.Samples, size, cuda.FormatBytes(p.bytes()))
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
	if p.intake, err = newIntake(c, owner, p.inputs, q); err != nil {
		return err
	}
	if p.pinned, err = c.AllocPinned(owner, p.scalars.bytes()); err != nil {
		return err
	}
	p.words = cuda.Slice[uint32](p.pinned)
	clear(p.words)
	if p.loss.sums, err = c.AllocPinned(owner, int64(4*p.loss.sumCount)); err != nil {
		return err
	}
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
	if p.intake != nil {
		errs = append(errs, p.intake.free())
		p.intake = nil
	}
	if p.measured != nil {
		errs = append(errs, p.measured.Close())
		p.measured = nil
	}
	if p.loss != nil {
		errs = append(errs, p.loss.sums.Free())
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
