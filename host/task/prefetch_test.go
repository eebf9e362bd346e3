package task

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
)

// prefetched are sources of every kind and state that forks copy.
func prefetched(t *testing.T) map[string]Source {
	t.Helper()
	sources := shared(t)
	folder := several(t, 7)
	o := folder.options()
	o.Flip, o.Crop, o.Bucket = []int{0}, []int{2, 2}, true
	kept := images(t, o, 3, window(2, 2))
	sources["images cropped, bucketed, windows"] = kept
	again := images(t, o, 3)
	for i := range again.files.samples {
		again.files.samples[i].x = nil
	}
	sources["images read again"] = again
	ranked, err := Share(shared(t)["mnist"], 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	sources["a rank's share"] = ranked
	return sources
}

// TestPrefetchSameBits: however many work, the batches and their order are those
// of the source itself.
func TestPrefetchSameBits(t *testing.T) {
	const from, to = 5, 25
	direct := prefetched(t)
	for name, s := range prefetched(t) {
		for _, a := range []Ahead{{}, {Workers: 1, Group: 4}, {Workers: 2}, {Workers: 5}, {Workers: 5, Group: 3}, {Workers: 40}, {Workers: 2, Group: 3, Every: 3}} {
			a.From, a.To = from, to
			t.Run(fmt.Sprintf("%s/workers=%d/group=%d/every=%d", name, a.Workers, a.Group, a.Every), func(t *testing.T) {
				p := Prefetch(t.Context(), s, a)
				var steps []int64
				for step := int64(from); step < to; step += max(1, a.Every) {
					steps = append(steps, step)
				}
				for part := range slices.Chunk(steps, max(1, a.Group)) {
					group, err := p.Next()
					if err != nil {
						t.Fatal(err)
					}
					if len(group) != len(part) {
						t.Fatalf("got %d batches, want %d", len(group), len(part))
					}
					for i, step := range part {
						if want := batchOf(t, direct[name], step); !sameBatch(group[i], want) {
							t.Errorf("batch %d differs", step)
						}
					}
				}
				for range 2 {
					if _, err := p.Next(); err != io.EOF {
						t.Errorf("behind the end: got %v, want io.EOF", err)
					}
				}
				p.Close()
				p.Close()
			})
		}
	}
}

// TestForkIsOfItsOwn: a source and its forks make their batches in turns, and the
// model that is checked next is that of the source alone.
func TestForkIsOfItsOwn(t *testing.T) {
	direct := prefetched(t)
	for name, s := range prefetched(t) {
		t.Run(name, func(t *testing.T) {
			fork := s.(Divisible).Fork()
			second := fork.Fork()
			for step := range int64(8) {
				a, b, c := batchOf(t, s, step), batchOf(t, fork, 7-step), batchOf(t, second, step)
				if want := batchOf(t, direct[name], step); !sameBatch(a, want) || !sameBatch(c, want) {
					t.Errorf("batch %d differs", step)
				}
				if want := batchOf(t, direct[name], 7-step); !sameBatch(b, want) {
					t.Errorf("batch %d of a fork differs", 7-step)
				}
			}
			if fork.Name() != s.Name() || fork.Hash() != s.Hash() || !slices.EqualFunc(fork.Largest(), s.Largest(), slices.Equal) {
				t.Error("a fork says another thing of itself")
			}
		})
	}
	f := prefetched(t)["images cropped, bucketed, windows"].(*Folder)
	fork := f.Fork()
	want := batchOf(t, fork, 0)
	if err := f.Check(model(t, 1, 3, "softmax", "cross_entropy", func(*nn.Config) {})); err != nil {
		t.Fatal(err)
	}
	if got := batchOf(t, fork, 0); !sameBatch(got, want) {
		t.Error("another model was checked: the fork makes other batches")
	}
}

// gate is a source of which a test says when each batch is made, and which fails
// at some.
type gate struct {
	Divisible
	*gateState
}

type gateState struct {
	enter chan int64 // a batch is being made
	leave chan bool  // it may be finished
	fails func(t int64) error
	made  atomic.Int64
}

func newGate(t *testing.T) gate {
	return gate{generators(t, 1)["diagonal"].(Divisible), &gateState{
		enter: make(chan int64), leave: make(chan bool), fails: func(int64) error { return nil },
	}}
}

func (g gate) Fork() Divisible { return gate{g.Divisible.Fork(), g.gateState} }

func (g gate) Batch(t int64, dst *engine.Batch) error {
	g.enter <- t
	<-g.leave
	if err := g.fails(t); err != nil {
		return err
	}
	g.made.Add(1)
	return g.Divisible.Batch(t, dst)
}

// open lets every batch pass.
func (g gate) open() {
	for {
		select {
		case _, more := <-g.enter:
			if !more {
				return
			}
		case g.leave <- true:
		}
	}
}

// TestPrefetchWorksAtOnce: so many batches are under way at the same time, those
// that come first, and no more; they may be finished in any order. Where all
// wait for each other, the bubble reports it.
func TestPrefetchWorksAtOnce(t *testing.T) {
	for _, workers := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t)
				p := Prefetch(t.Context(), g, Ahead{To: math.MaxInt64, Workers: workers})
				var under []int64
				for range workers {
					under = append(under, <-g.enter)
				}
				slices.Sort(under)
				for i, got := range under {
					if got != int64(i) {
						t.Fatalf("batches %v are under way, want the first %d", under, workers)
					}
				}
				synctest.Wait()
				select {
				case got := <-g.enter:
					t.Errorf("batch %d is under way beside %v", got, under)
				default:
				}
				go g.open()
				want := generators(t, 1)["diagonal"]
				for step := range int64(20) {
					got, err := p.Next()
					if err != nil {
						t.Fatal(err)
					}
					if !sameBatch(got[0], batchOf(t, want, step)) {
						t.Errorf("batch %d differs", step)
					}
				}
				p.Close()
				close(g.enter)
			})
		})
	}
}

var errGate = errors.New("disk gone")

// TestPrefetchError: the batches before one that fails come first, and of several
// that fail the first is reported, whoever was faster.
func TestPrefetchError(t *testing.T) {
	for _, workers := range []int{1, 2, 5} {
		for _, group := range []int{1, 2} {
			t.Run(fmt.Sprintf("workers=%d/group=%d", workers, group), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := newGate(t)
					g.fails = func(at int64) error {
						if at >= 4 {
							return fmt.Errorf("batch %d: %w", at, errGate)
						}
						return nil
					}
					go g.open()
					p := Prefetch(t.Context(), g, Ahead{To: math.MaxInt64, Workers: workers, Group: group})
					for step := 0; step < 4; step += group {
						if _, err := p.Next(); err != nil {
							t.Fatalf("step %d: %v", step, err)
						}
					}
					for range 2 {
						if _, err := p.Next(); !errors.Is(err, errGate) || err.Error() != "batch 4: disk gone" {
							t.Errorf("got %v, want the error of batch 4", err)
						}
					}
					p.Close()
					close(g.enter)
				})
			})
		}
	}
}

// TestPrefetchPanic: a panic of the source is one of Next when its batch is due,
// with the source's stack, and no goroutine is left.
func TestPrefetchPanic(t *testing.T) {
	for _, workers := range []int{1, 5} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t)
				g.fails = func(at int64) error {
					if at >= 2 {
						panic(errGate)
					}
					return nil
				}
				go g.open()
				p := Prefetch(t.Context(), g, Ahead{To: math.MaxInt64, Workers: workers})
				for range 2 {
					if _, err := p.Next(); err != nil {
						t.Fatal(err)
					}
				}
				func() {
					defer func() {
						got, ok := recover().(*Panic)
						if !ok || got.Value != errGate || !errors.Is(got, errGate) || !strings.Contains(got.Error(), "disk gone\n\n") ||
							!strings.Contains(got.Error(), "prefetch_test.go") {
							t.Errorf("got %v, want a panic with the source's stack", got)
						}
					}()
					p.Next()
				}()
				if _, err := p.Next(); !errors.Is(err, errGate) {
					t.Errorf("afterwards: got %v, want the same", err)
				}
				p.Close()
				close(g.enter)
			})
		})
	}
	text := &Panic{Value: "no error"}
	if errors.Unwrap(text) != nil {
		t.Error("a text is an error")
	}
}

// TestPrefetchExit: where the source ends its goroutine Next ends its own.
func TestPrefetchExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		g.fails = func(int64) error { runtime.Goexit(); return nil }
		go g.open()
		p := Prefetch(t.Context(), g, Ahead{To: 9})
		var back bool
		var group sync.WaitGroup
		group.Go(func() {
			p.Next()
			back = true
		})
		group.Wait()
		if _, err := p.Next(); back || err == nil {
			t.Errorf("Next came back: %v; afterwards: %v, want an error", back, err)
		}
		p.Close()
		close(g.enter)
	})
}

// TestPrefetchCancel: while batches are being made Next ends with the context,
// Close when they are finished, and then no goroutine is left, or the bubble
// would report it.
func TestPrefetchCancel(t *testing.T) {
	for _, workers := range []int{1, 5} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				g := newGate(t)
				p := Prefetch(ctx, g, Ahead{To: math.MaxInt64, Workers: workers})
				for range workers {
					<-g.enter
				}
				go cancel()
				if _, err := p.Next(); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want context.Canceled", err)
				}
				go g.open()
				p.Close()
				if got := g.made.Load(); got > int64(workers) {
					t.Errorf("%d batches were finished, want at most the %d that were under way", got, workers)
				}
				close(g.enter)
			})
		})
	}
}

// TestPrefetchBound: nobody takes batches, and no more are made than there is
// memory for. After Close the source belongs to nobody.
func TestPrefetchBound(t *testing.T) {
	for _, a := range []Ahead{{}, {Workers: 5}, {Workers: 2, Group: 3}} {
		t.Run(fmt.Sprintf("workers=%d/group=%d", a.Workers, a.Group), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(t)
				go g.open()
				a.To = math.MaxInt64
				p := Prefetch(t.Context(), g, a)
				synctest.Wait()
				want := int64(2*max(1, a.Group) + max(1, a.Workers))
				if got := g.made.Load(); got != want {
					t.Errorf("%d batches were made, want %d", got, want)
				}
				if _, err := p.Next(); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := g.made.Load(); got != want {
					t.Errorf("%d batches were made while the first are in use, want %d", got, want)
				}
				p.Close()
				if _, err := p.Next(); !errors.Is(err, context.Canceled) {
					t.Errorf("after Close: got %v, want context.Canceled", err)
				}
				close(g.enter)
			})
		})
	}
}

func TestPrefetchDoesNotAllocate(t *testing.T) {
	for _, workers := range []int{1, 3} {
		p := Prefetch(t.Context(), generators(t, 1)["fields"], Ahead{To: math.MaxInt64, Workers: workers, Group: 2})
		next := func() {
			if _, err := p.Next(); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 { // every batch has its memory
			next()
		}
		if got := testing.AllocsPerRun(50, next); got != 0 {
			t.Errorf("%d workers: %v allocations a group, want 0", workers, got)
		}
		p.Close()
	}
}
