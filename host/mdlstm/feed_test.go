package mdlstm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mdlstm-gpu/host/task"
)

// counting makes batches whose values follow from their number, and notes how it
// is called. It is not safe for several goroutines: the race detector would see
// them in last.
type counting struct {
	takes time.Duration
	fails func(t int64) error // may panic
	last  int64               // batch made last
	calls []int64
	under atomic.Int32 // calls under way
	worst int32        // most of them
}

func (c *counting) Batch(t int64, b *Batch) error {
	c.worst = max(c.worst, c.under.Add(1))
	defer c.under.Add(-1)
	c.last = t
	c.calls = append(c.calls, t)
	time.Sleep(c.takes)
	if c.fails != nil {
		if err := c.fails(t); err != nil {
			return err
		}
	}
	fill(t, b)
	return nil
}

// fill reuses the slices of b.
func fill(t int64, b *Batch) {
	b.Samples, b.X, b.Y, b.First = append(b.Samples[:0], Shape{2, 3}, Shape{1, 2}), b.X[:0], b.Y[:0], 2*t
	for i := range 8 {
		b.X = append(b.X, float32(math.Sin(float64(8*t)+float64(i))))
		b.Y = append(b.Y, b.X[i]/2)
	}
}

// forking is counting for several goroutines: what it counts is atomic.
type forking struct {
	takes time.Duration
	forks *atomic.Int32
	self  bool // the source itself, which must not be called
}

func (f forking) Fork() Source {
	f.forks.Add(1)
	return forking{takes: f.takes, forks: f.forks}
}

func (f forking) Batch(t int64, b *Batch) error {
	if f.self {
		return errors.New("the source itself was called")
	}
	time.Sleep(f.takes)
	fill(t, b)
	return nil
}

// newSmall is a model with dropout on one thread of the CPU.
func newSmall(t *testing.T) *Model {
	t.Helper()
	c := OneLayer(2, 1, 3, 1, "mse")
	c.Layers[0].Dropout = 0.2
	m, err := New(c, Options{Device: CPU, Threads: 1, Engines: 1})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestFeedSameBits: made ahead, and several at once, batches train and measure as
// when each is made when it is needed.
func TestFeedSameBits(t *testing.T) {
	const steps = 12
	diagonal, err := task.NewDiagonal(task.Options{Size: Shape{3, 3}, Channels: 1, Batch: 2, Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		src  Source
	}{
		{"one goroutine", &counting{}},
		{"Forker", forking{forks: new(atomic.Int32), self: true}},
		{"package task", diagonal},
	} {
		t.Run(test.name, func(t *testing.T) {
			want, got := newSmall(t), newSmall(t)
			defer want.Close()
			defer got.Close()
			if err := got.TrainSource(t.Context(), test.src, TrainOptions{Steps: steps}); err != nil {
				t.Fatal(err)
			}
			for range steps { // each alone: nothing is made ahead
				if err := want.TrainSource(t.Context(), test.src, TrainOptions{Steps: 1}); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(got.Parameters(), want.Parameters()) {
				t.Error("the parameters differ")
			}
			var first []string
			for _, workers := range []int{1, 2, 5} {
				var batches []string
				f := newFeed(t.Context(), test.src, 3, steps, workers)
				for range steps {
					b, _, err := f.batch()
					if err != nil {
						t.Fatal(err)
					}
					batches = append(batches, fmt.Sprint(*b))
				}
				f.close()
				if first == nil {
					first = batches
				}
				if !slices.Equal(batches, first) {
					t.Errorf("%d workers make other batches", workers)
				}
			}
		})
	}
}

// TestFeedWorkers: a Forker has a fork a worker, and they work at once; another
// source is called by one goroutine, in order, neither while Progress runs nor
// afterwards, and what it made too much is not trained on.
func TestFeedWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forks := new(atomic.Int32)
		f := newFeed(t.Context(), forking{takes: time.Second, forks: forks, self: true}, 0, 8, 4)
		began := time.Now()
		for range 8 {
			if _, _, err := f.batch(); err != nil {
				t.Fatal(err)
			}
		}
		f.close()
		if took := time.Since(began); forks.Load() != 4 || took != 2*time.Second {
			t.Errorf("%d forks made 8 batches in %v, want 4 in 2 s", forks.Load(), took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		m := newSmall(t)
		defer m.Close()
		c := &counting{takes: time.Second}
		err := m.TrainSource(t.Context(), c, TrainOptions{Steps: 20, Progress: func(p Progress) error {
			if _, err := m.EvaluateSource(t.Context(), c, 100, 2); err != nil { // with the same source
				t.Error(err)
			}
			for range 3 {
				if n := c.under.Load(); n > 0 {
					t.Errorf("step %d: a batch is made while Progress runs", p.Step)
				}
				time.Sleep(time.Second)
			}
			if p.Step == 5 {
				return ErrStop
			}
			return nil
		}})
		if err != nil || m.Steps() != 6 {
			t.Errorf("error %v after %d steps, want 6", err, m.Steps())
		}
		if c.worst != 1 || c.under.Load() != 0 {
			t.Errorf("%d calls at once, %d left, want 1 and 0", c.worst, c.under.Load())
		}
		trained := slices.DeleteFunc(slices.Clone(c.calls), func(t int64) bool { return t >= 100 })
		if !slices.IsSorted(trained) || trained[0] != 0 || len(trained) < 6 || len(trained) > 9 || len(c.calls)-len(trained) != 12 {
			t.Errorf("batches %v were made, want those of 6 steps, at most 3 more, and 2 a Progress", c.calls)
		}
	})
}

// TestWaited: a step says how long it waited for its batch, also where it is
// Progress that waits for the source to rest.
func TestWaited(t *testing.T) {
	for _, test := range []struct {
		progress time.Duration
		want     []time.Duration
	}{
		{0, []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second}},
		{time.Second, []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second}},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newSmall(t)
			defer m.Close()
			var waited []time.Duration
			err := m.TrainSource(t.Context(), &counting{takes: 2 * time.Second}, TrainOptions{Steps: 4, Progress: func(p Progress) error {
				if waited = append(waited, p.Waited); p.Took != 0 { // the clock stands still while something computes
					t.Errorf("step %d took %v", p.Step, p.Took)
				}
				time.Sleep(test.progress)
				return nil
			}})
			if err != nil || !slices.Equal(waited, test.want) {
				t.Errorf("Progress takes %v: steps waited %v (error %v), want %v", test.progress, waited, err, test.want)
			}
		})
	}
}

var errRecord = errors.New("no such record")

// TestFeedEnds: however a training ends, the steps before are done, the source is
// at rest, no goroutine is left, or the bubble would report it, and the model can
// be trained on.
func TestFeedEnds(t *testing.T) {
	type outcome struct {
		err   error
		panic any
	}
	for _, test := range []struct {
		name  string
		fails func(t int64) error
		stop  func(cancel func(), m *Model) // after step 3
		steps int64
		check func(o outcome) bool
	}{
		{"error", func(t int64) error { return map[int64]error{4: errRecord}[t] }, nil, 4, func(o outcome) bool {
			return errors.Is(o.err, errRecord) && o.err.Error() == "train: step 4 of 50: batch 4: no such record"
		}},
		{"panic", func(t int64) error {
			if t == 4 {
				panic(errRecord)
			}
			return nil
		}, nil, 4, func(o outcome) bool {
			p, ok := o.panic.(*task.Panic)
			return ok && errors.Is(p, errRecord) && p.Value == errRecord && strings.Contains(p.Error(), "feed_test.go")
		}},
		{"cancelled", nil, func(cancel func(), m *Model) { cancel() }, 4, func(o outcome) bool {
			return errors.Is(o.err, context.Canceled) && o.err.Error() == "train: step 4 of 50: context canceled"
		}},
		{"panic of Progress", nil, func(func(), *Model) { panic("mine") }, 4, func(o outcome) bool { return o.panic == "mine" }},
		{"closed", nil, func(_ func(), m *Model) { m.Close() }, 4, func(o outcome) bool { return errors.Is(o.err, ErrClosed) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newSmall(t)
				defer m.Close()
				ctx, cancel := context.WithCancel(t.Context())
				c := &counting{takes: time.Second, fails: test.fails}
				var got outcome
				func() {
					defer func() { got.panic = recover() }()
					got.err = m.TrainSource(ctx, c, TrainOptions{Steps: 50, Progress: func(p Progress) error {
						if p.Step == 3 && test.stop != nil {
							test.stop(cancel, m)
						}
						return nil
					}})
				}()
				cancel()
				if !test.check(got) || m.Steps() != test.steps || c.under.Load() != 0 {
					t.Errorf("ended with %v or panic %v after %d steps, %d batches under way", got.err, got.panic, m.Steps(), c.under.Load())
				}
				err := m.TrainSource(t.Context(), &counting{}, TrainOptions{Steps: 2})
				if closed := test.name == "closed"; errors.Is(err, ErrClosed) != closed || !closed && (err != nil || m.Steps() != test.steps+2) {
					t.Errorf("training on: error %v after %d steps", err, m.Steps())
				}
			})
		})
	}
}

// TestFeedExits: a source that ends its goroutine, as Fatal does, ends that of the
// training, which leaves the model to others.
func TestFeedExits(t *testing.T) {
	m := newSmall(t)
	defer m.Close()
	ended := make(chan bool)
	go func() {
		defer close(ended)
		t.Run("a test", func(t *testing.T) {
			m.TrainSource(t.Context(), &counting{fails: func(int64) error { t.SkipNow(); return nil }}, TrainOptions{Steps: 2})
			t.Error("the training came back")
		})
	}()
	<-ended
	if err := m.TrainSource(t.Context(), &counting{}, TrainOptions{Steps: 2}); err != nil || m.Steps() != 2 {
		t.Errorf("training on: error %v after %d steps", err, m.Steps())
	}
}

// TestFeedRange: steps that no number counts are as many as can be.
func TestFeedRange(t *testing.T) {
	for _, first := range []int64{0, 5, math.MaxInt64 - 1} {
		f := newFeed(t.Context(), &counting{}, first, math.MaxInt64, 1)
		if _, _, err := f.batch(); err != nil {
			t.Errorf("from %d: %v", first, err)
		}
		f.close()
	}
	f := newFeed(t.Context(), &counting{}, 3, 0, 1)
	defer f.close()
	if b, _, err := f.batch(); err == nil {
		t.Errorf("of no batches: got %v", fmt.Sprint(b.First))
	}
}

// TestFit: sources of package task are checked before the first batch.
func TestFit(t *testing.T) {
	m := newSmall(t)
	defer m.Close()
	wide, err := task.NewDiagonal(task.Options{Size: Shape{3, 3}, Channels: 2, Batch: 2})
	if err != nil {
		t.Fatal(err)
	}
	err = m.TrainSource(t.Context(), wide, TrainOptions{Steps: 1})
	if err == nil || !strings.HasPrefix(err.Error(), "train: task diagonal") || !strings.Contains(err.Error(), "2 channels") || m.Steps() != 0 {
		t.Errorf("train: error %v after %d steps, want one about its channels", err, m.Steps())
	}
	if _, err := m.EvaluateSource(t.Context(), wide, 0, 1); err == nil || !strings.HasPrefix(err.Error(), "evaluate: task diagonal") {
		t.Errorf("evaluate: error %v, want one about its channels", err)
	}
	if _, err := m.EvaluateSource(t.Context(), &counting{}, 0, -1); err == nil || err.Error() != "evaluate: -1 batches: want 0 or more" {
		t.Errorf("-1 batches: error %v", err)
	}
	if got, err := m.EvaluateSource(t.Context(), &counting{}, math.MaxInt64, 0); err != nil || !math.IsNaN(got.Loss) {
		t.Errorf("no batches: got %v (error %v), want NaN", got, err)
	}
	for call, err := range map[string]error{
		"train":    m.TrainSource(t.Context(), nil, TrainOptions{Steps: 1}),
		"evaluate": func() error { _, err := m.EvaluateSource(t.Context(), nil, 0, 1); return err }(),
	} {
		if err == nil || err.Error() != call+": the source is nil" {
			t.Errorf("%s without a source: error %v", call, err)
		}
	}
}

// short makes batches that lack a target from one on.
type short struct{ from int64 }

func (s short) Batch(t int64, b *Batch) error {
	fill(t, b)
	if t >= s.from {
		b.Y = b.Y[1:]
	}
	return nil
}

// TestBadBatch: the error names the batch as the source knows it, also in a later
// call, and the model stays as it was.
func TestBadBatch(t *testing.T) {
	m := newSmall(t)
	defer m.Close()
	if err := m.TrainSource(t.Context(), short{from: 4}, TrainOptions{Steps: 3}); err != nil {
		t.Fatal(err)
	}
	err := m.TrainSource(t.Context(), short{from: 4}, TrainOptions{Steps: 3})
	if !errors.Is(err, ErrShape) || !strings.HasPrefix(err.Error(), "train: step 1 of 3: batch 4: ") || m.Steps() != 4 {
		t.Errorf("got %v after %d steps, want the shape of batch 4 after 4", err, m.Steps())
	}
}
