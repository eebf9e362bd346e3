package cuda

import "fmt"

// Stream is a queue of work: copies, fills, kernels, graphs, in order.
type Stream struct {
	c         *Context
	handle    handle
	capturing bool // a capture begins here and has not ended
}

// NewStream makes a stream. [Upload] and [Download] wait for it.
func (c *Context) NewStream() (*Stream, error) {
	s := &Stream{c: c}
	err := c.call("cuStreamCreate", func() (r Result) {
		s.handle, r = c.drv.createStream()
		return r
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close waits for the stream's work and ends it. Closing twice does nothing.
func (s *Stream) Close() error {
	if s.handle == 0 || s.c.closed.Load() {
		return nil
	}
	err := s.Wait()
	h := s.handle
	s.handle = 0
	if destroyed := s.c.call("cuStreamDestroy", func() Result { return s.c.drv.destroyStream(h) }); err == nil {
		err = destroyed
	}
	return err
}

// Wait returns when everything queued on the stream is done, with the error of
// a kernel among it.
func (s *Stream) Wait() error {
	return s.c.call("cuStreamSynchronize", func() Result { return s.c.drv.waitStream(s.handle) })
}

// Upload queues a copy of bytes from pinned memory, beginning at byte from, to
// device memory at byte at. The pinned memory may not change before it is done.
func (s *Stream) Upload(to *Memory, at int64, p *Pinned, from, bytes int64) error {
	dst, err := to.span("upload", at, bytes)
	if err != nil {
		return err
	}
	src, err := p.span("upload", from, bytes)
	if err != nil || bytes == 0 {
		return err
	}
	return s.c.call("cuMemcpyHtoDAsync", func() Result { return s.c.drv.uploadAsync(dst, src, bytes, s.handle) })
}

// Download queues a copy of bytes from device memory at byte from to pinned
// memory at byte at.
func (s *Stream) Download(p *Pinned, at int64, m *Memory, from, bytes int64) error {
	src, err := m.span("download", from, bytes)
	if err != nil {
		return err
	}
	dst, err := p.span("download", at, bytes)
	if err != nil || bytes == 0 {
		return err
	}
	return s.c.call("cuMemcpyDtoHAsync", func() Result { return s.c.drv.downloadAsync(dst, src, bytes, s.handle) })
}

// Copy queues a copy of bytes within the device. The ranges may not overlap.
func (s *Stream) Copy(to *Memory, at int64, m *Memory, from, bytes int64) error {
	src, err := m.span("copy", from, bytes)
	if err != nil {
		return err
	}
	dst, err := to.span("copy", at, bytes)
	if err != nil || bytes == 0 {
		return err
	}
	if src < dst+Address(bytes) && dst < src+Address(bytes) {
		return fmt.Errorf("copy: bytes %d and %d of %s overlap over %d bytes: %w", from, at, m.owner, bytes, ErrRange)
	}
	return s.c.call("cuMemcpyDtoDAsync", func() Result { return s.c.drv.copyAsync(dst, src, bytes, s.handle) })
}

// Fill queues setting bytes at byte at to a value.
func (s *Stream) Fill(m *Memory, at, bytes int64, value byte) error {
	dst, err := m.span("fill", at, bytes)
	if err != nil || bytes == 0 {
		return err
	}
	return s.c.call("cuMemsetD8Async", func() Result { return s.c.drv.fill8Async(dst, value, bytes, s.handle) })
}

// Fill32 queues setting count 32-bit words at byte at, a multiple of 4, to a
// value.
func (s *Stream) Fill32(m *Memory, at, count int64, value uint32) error {
	if at%4 != 0 || count < 0 || count > m.bytes/4 {
		return fmt.Errorf("fill: %d words at byte %d of the %d of %s: %w", count, at, m.bytes, m.owner, ErrRange)
	}
	dst, err := m.span("fill", at, 4*count)
	if err != nil || count == 0 {
		return err
	}
	return s.c.call("cuMemsetD32Async", func() Result { return s.c.drv.fill32Async(dst, value, count, s.handle) })
}

// Event marks a point of a stream.
type Event struct {
	c      *Context
	handle handle
}

// NewEvent makes an event; timing says whether [Event.Since] will be asked,
// which makes it dearer.
func (c *Context) NewEvent(timing bool) (*Event, error) {
	e := &Event{c: c}
	err := c.call("cuEventCreate", func() (r Result) {
		e.handle, r = c.drv.createEvent(timing)
		return r
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Close ends the event. Closing twice does nothing.
func (e *Event) Close() error {
	if e.handle == 0 || e.c.closed.Load() {
		return nil
	}
	h := e.handle
	e.handle = 0
	return e.c.call("cuEventDestroy", func() Result { return e.c.drv.destroyEvent(h) })
}

// Record marks what is queued on s now.
func (e *Event) Record(s *Stream) error {
	return e.c.call("cuEventRecord", func() Result { return e.c.drv.recordEvent(e.handle, s.handle) })
}

// RecordEach is Record, except within a capture that began on s, where it becomes
// a node of the graph: each launch of the graph marks the point anew, and the
// host may wait for it while the rest of the graph runs.
func (e *Event) RecordEach(s *Stream) error {
	if !s.capturing {
		return e.Record(s)
	}
	return e.c.call("cuEventRecordWithFlags", func() Result { return e.c.drv.recordEventNode(e.handle, s.handle) })
}

// Wait returns when the marked work is done; at once when nothing was marked.
func (e *Event) Wait() error {
	return e.c.call("cuEventSynchronize", func() Result { return e.c.drv.waitEvent(e.handle) })
}

// Done says whether the marked work is done, without waiting.
func (e *Event) Done() (bool, error) {
	done := true
	err := e.c.call("cuEventQuery", func() Result {
		r := e.c.drv.queryEvent(e.handle)
		if r == NotReady {
			done, r = false, Success
		}
		return r
	})
	return done && err == nil, err
}

// Since is the device's time between two events in milliseconds, both made with
// timing and done.
func (e *Event) Since(start *Event) (milliseconds float32, err error) {
	err = e.c.call("cuEventElapsedTime", func() (r Result) {
		milliseconds, r = e.c.drv.elapsed(start.handle, e.handle)
		return r
	})
	return milliseconds, err
}

// WaitFor makes later work on s wait for what e marks, on the device. Within a
// capture it draws s into the graph.
func (s *Stream) WaitFor(e *Event) error {
	return s.c.call("cuStreamWaitEvent", func() Result { return s.c.drv.streamWaitEvent(s.handle, e.handle) })
}
