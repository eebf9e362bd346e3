//go:build cuda && cgo

package cuda_test

import (
	"errors"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
)

// TestGraph records input copy, fill, two kernels and the copy back, and
// replays them on new input.
func TestGraph(t *testing.T) {
	c := gputest.Open(t)
	b := newBench(t, c)
	const n = 64
	axpy := b.function("right_axpy", "ppif")
	in, err := c.AllocPinned("input", 4*n)
	must(t, err)
	out, err := c.AllocPinned("output", 4*n)
	must(t, err)
	x, err := c.Alloc("x", 4*n)
	must(t, err)
	y, err := c.Alloc("y", 4*n)
	must(t, err)
	defer func() { must(t, errors.Join(in.Free(), out.Free(), x.Free(), y.Free())) }()
	recorded := 0
	g, err := c.Capture("step", b.s, func(s *cuda.Stream) error {
		recorded++
		launch := func(a float32) error {
			return axpy.Launch(s, cuda.Dim{X: 1}, cuda.Dim{X: n}, 0, cuda.Pointer(x.Address()), cuda.Pointer(y.Address()), cuda.Int(n), cuda.Float(a))
		}
		return errors.Join(s.Upload(x, 0, in, 0, 4*n), s.Fill32(y, 0, n, 0), launch(2), launch(0.5), s.Download(out, 0, y, 0, 4*n))
	})
	must(t, err)
	defer func() { must(t, g.Close()) }()
	if g.Nodes() != 5 || recorded != 1 {
		t.Errorf("%d nodes from %d recordings, want 5 from 1", g.Nodes(), recorded)
	}
	before, _ := c.Counters()
	for round := range 3 {
		for i := range n {
			cuda.Slice[float32](in)[i] = float32(i * round)
		}
		must(t, g.Launch(b.s))
		must(t, b.s.Wait())
		for i, v := range cuda.Slice[float32](out) {
			if v != 2.5*float32(i*round) {
				t.Fatalf("round %d, element %d: got %v, want %v", round, i, v, 2.5*float32(i*round))
			}
		}
	}
	after, ok := c.Counters()
	switch {
	case !ok:
	case c.Sync():
		if recorded != 4 || after.GraphLaunches != 0 {
			t.Errorf("with MDLSTM_SYNC=1: %d recordings, %d launches of a graph", recorded, after.GraphLaunches)
		}
	case after.GraphLaunches-before.GraphLaunches != 3 || after.GraphNodes-before.GraphNodes != 15 || after.Launches-before.Launches != 6:
		t.Errorf("three rounds: %+v, before %+v", after, before)
	}
}

func TestCaptureRefused(t *testing.T) {
	c := gputest.Open(t)
	b := newBench(t, c)
	m, err := c.Alloc("m", 64)
	must(t, err)
	defer m.Free()
	other, err := c.NewStream()
	must(t, err)
	defer other.Close()
	fork, err := c.NewEvent(false)
	must(t, err)
	defer fork.Close()
	own := errors.New("own")
	for _, k := range []struct {
		name string
		f    func(*cuda.Stream) error
		is   error
	}{
		{"an error of the function", func(*cuda.Stream) error { return own }, own},
		{"waiting", func(s *cuda.Stream) error { return s.Wait() }, cuda.CaptureUnsupported},
		{"waiting, ignored", func(s *cuda.Stream) error { _ = s.Wait(); return nil }, cuda.CaptureInvalidated},
		{"never joined", func(s *cuda.Stream) error {
			return errors.Join(fork.Record(s), other.WaitFor(fork), other.Fill(m, 0, 64, 0))
		}, cuda.CaptureUnjoined},
	} {
		_, err := c.Capture("bad", b.s, k.f)
		if !errors.Is(err, k.is) || !strings.HasPrefix(err.Error(), "graph bad: ") {
			t.Errorf("%s: got %v, want %v", k.name, err, k.is)
		}
		must(t, b.s.Fill(m, 0, 64, 1)) // the stream is whole again
		must(t, b.s.Wait())
	}
}

// TestForkJoin draws a second stream into a graph; the emulator runs what is
// not ordered in an order of the seed's choice, so a join that was forgotten
// would show.
func TestForkJoin(t *testing.T) {
	c := gputest.Open(t)
	b := newBench(t, c)
	other, err := c.NewStream()
	must(t, err)
	defer other.Close()
	fork, err := c.NewEvent(false)
	must(t, err)
	defer fork.Close()
	join, err := c.NewEvent(false)
	must(t, err)
	defer join.Close()
	m, err := c.Alloc("m", 8)
	must(t, err)
	defer m.Free()
	g, err := c.Capture("fork", b.s, func(s *cuda.Stream) error {
		return errors.Join(
			s.Fill(m, 0, 8, 1), fork.Record(s), other.WaitFor(fork),
			s.Fill(m, 0, 4, 2), other.Fill(m, 4, 4, 3),
			join.Record(other), s.WaitFor(join), s.Copy(m, 4, m, 0, 2))
	})
	must(t, err)
	defer g.Close()
	for range 10 {
		must(t, g.Launch(b.s))
		must(t, b.s.Wait())
		got := make([]uint8, 8)
		must(t, cuda.Download(got, m, 0))
		if string(got) != "\x02\x02\x02\x02\x02\x02\x03\x03" {
			t.Fatalf("got %v", got)
		}
	}
}

// TestMarkedGraph: an event within a graph is marked anew by every launch, and
// who waits for it does not wait for what comes after.
func TestMarkedGraph(t *testing.T) {
	c := gputest.Open(t)
	b := newBench(t, c)
	known, err := c.NewEvent(false)
	must(t, err)
	p, err := c.AllocPinned("p", 8)
	must(t, err)
	values := cuda.Slice[int32](p)
	atomics := b.function("right_atomics", "p") // the kernel stores where the host reads: no copy
	store := func(s *cuda.Stream, at cuda.Address) error {
		return atomics.Launch(s, cuda.Dim{X: 1}, cuda.Dim{X: faultThreads}, 0, cuda.Pointer(at))
	}
	m := gputest.New(t, c, "m", make([]int32, 2))
	g, err := c.Capture("marked", b.s, func(s *cuda.Stream) error {
		return errors.Join(store(s, p.Address()), known.RecordEach(s), store(s, m.Address()))
	})
	must(t, err)
	defer func() { must(t, errors.Join(g.Close(), known.Close(), p.Free())) }()
	if g.Nodes() != 3 {
		t.Errorf("%d nodes, want 3", g.Nodes())
	}
	clear(values)
	for round := range int32(3) {
		must(t, b.s.Wait())
		before, emulated := c.Counters()
		must(t, g.Launch(b.s))
		must(t, known.Wait())
		if values[0] != faultThreads*(round+1) {
			t.Errorf("round %d: the host reads %d, want %d", round, values[0], faultThreads*(round+1))
		}
		if after, _ := c.Counters(); emulated && !c.Sync() && after.Launches != before.Launches+1 {
			t.Errorf("round %d: %d kernels ran before the mark, want 1", round, after.Launches-before.Launches)
		}
	}
	if got := m.Values()[0]; got != 3*faultThreads {
		t.Errorf("after the mark: %d, want %d", got, 3*faultThreads)
	}
}

// TestUnordered: two fills of one graph with nothing between them. Random
// orders must show that the program forgot a dependency.
func TestUnordered(t *testing.T) {
	t.Setenv("MDLSTM_EMU_SEED", "7")
	t.Setenv("MDLSTM_SYNC", "0")
	c := emulated(t)
	b := newBench(t, c)
	other, err := c.NewStream()
	must(t, err)
	fork, err := c.NewEvent(false)
	must(t, err)
	join, err := c.NewEvent(false)
	must(t, err)
	m, err := c.Alloc("m", 1)
	must(t, err)
	defer m.Free()
	g, err := c.Capture("race", b.s, func(s *cuda.Stream) error {
		return errors.Join(fork.Record(s), other.WaitFor(fork), s.Fill(m, 0, 1, 1), other.Fill(m, 0, 1, 2), join.Record(other), s.WaitFor(join))
	})
	must(t, err)
	seen := map[uint8]int{}
	for range 20 {
		must(t, g.Launch(b.s))
		must(t, b.s.Wait())
		last := make([]uint8, 1)
		must(t, cuda.Download(last, m, 0))
		seen[last[0]]++
	}
	if len(seen) != 2 {
		t.Errorf("the last writer was always the same: %v", seen)
	}
}

// TestLazy: the emulator runs work when somebody waits, so that a wait which
// the program forgot shows.
func TestLazy(t *testing.T) {
	c := emulated(t)
	b := newBench(t, c)
	m, err := c.Alloc("m", 4)
	must(t, err)
	defer m.Free()
	p, err := c.AllocPinned("p", 4)
	must(t, err)
	defer p.Free()
	must(t, cuda.Upload(m, 0, []int32{42}))
	got := cuda.Slice[int32](p)
	got[0] = 0
	must(t, b.s.Download(p, 0, m, 0, 4))
	if got[0] != 0 {
		t.Error("the copy ran before anybody waited")
	}
	must(t, b.s.Wait())
	if got[0] != 42 {
		t.Errorf("got %d after the wait", got[0])
	}
}

func TestEvents(t *testing.T) {
	c := gputest.Open(t)
	b := newBench(t, c)
	start, err := c.NewEvent(true)
	must(t, err)
	end, err := c.NewEvent(true)
	must(t, err)
	other, err := c.NewStream()
	must(t, err)
	m, err := c.Alloc("m", 1<<16)
	must(t, err)
	defer func() { must(t, errors.Join(start.Close(), end.Close(), other.Close(), m.Free(), start.Close())) }()
	must(t, start.Wait()) // nothing recorded: nothing to wait for
	must(t, errors.Join(start.Record(b.s), b.s.Fill(m, 0, 1<<16, 5), end.Record(b.s), other.WaitFor(end)))
	must(t, other.Copy(m, 0, m, 1<<15, 1<<15))
	must(t, other.Wait())
	got := make([]uint8, 1<<16)
	must(t, cuda.Download(got, m, 0))
	if got[0] != 5 || got[1<<16-1] != 5 {
		t.Errorf("got %d … %d, want 5", got[0], got[1<<16-1])
	}
	ms, err := end.Since(start)
	must(t, err)
	if ms < 0 || ms > 10000 {
		t.Errorf("%v ms", ms)
	}
	must(t, end.Record(b.s))
	for range 1000 {
		done, err := end.Done()
		must(t, err)
		if done {
			return
		}
	}
	must(t, end.Wait())
}

// TestCounters: what the emulator counts follows from the program alone.
func TestCounters(t *testing.T) {
	var first cuda.Counters
	for _, seed := range []string{"0", "5"} {
		t.Setenv("MDLSTM_EMU_SEED", seed)
		c := emulated(t)
		b := newBench(t, c)
		sum := b.function("right_sum", "ppi")
		x, err := c.Alloc("x", 4*128)
		must(t, err)
		y, err := c.Alloc("y", 4*2)
		must(t, err)
		must(t, sum.Launch(b.s, cuda.Dim{X: 2}, cuda.Dim{X: 64}, 256, cuda.Pointer(x.Address()), cuda.Pointer(y.Address()), cuda.Int(128)))
		must(t, b.s.Wait())
		got, _ := c.Counters()
		want := cuda.Counters{Launches: 1, Blocks: 2, Threads: 128, Barriers: 2 * 7, Waits: 1}
		if build(c, "checking") {
			want.LoadBytes, want.StoreBytes = 4*128, 4*2
		}
		if c.Sync() {
			want.Waits = 2
		}
		if got != want {
			t.Errorf("seed %s: got %+v, want %+v", seed, got, want)
		}
		if first == (cuda.Counters{}) {
			first = got
		}
		if got != first {
			t.Errorf("seed %s: %+v, another seed %+v", seed, got, first)
		}
		must(t, errors.Join(x.Free(), y.Free(), b.s.Close(), b.m.Close(), c.Close()))
	}
}
