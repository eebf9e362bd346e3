package task

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"mdlstm-gpu/host/engine"
)

func TestPrefetchSameBits(t *testing.T) {
	direct := generators(t, 1)
	for name, s := range generators(t, 1) {
		for _, depth := range []int{0, 1, 3, 50} {
			p := Prefetch(context.Background(), s, 5, 25, depth)
			for step := int64(5); step < 25; step++ {
				got, err := p.Next()
				if err != nil {
					t.Fatal(err)
				}
				if want := batchOf(t, direct[name], step); !sameBatch(got, want) {
					t.Errorf("%s, depth %d: batch %d differs", name, depth, step)
				}
			}
			for range 2 {
				if _, err := p.Next(); err != io.EOF {
					t.Errorf("%s: behind the end: got %v, want io.EOF", name, err)
				}
			}
			p.Close()
			p.Close()
		}
	}
}

// failing fails at one step and counts the batches it made.
type failing struct {
	Source
	at   int64
	made int64
}

var errFailing = errors.New("disk gone")

func (f *failing) Batch(t int64, dst *engine.Batch) error {
	if t == f.at {
		return errFailing
	}
	f.made++
	return f.Source.Batch(t, dst)
}

func TestPrefetchError(t *testing.T) {
	p := Prefetch(context.Background(), &failing{Source: generators(t, 1)["diagonal"], at: 3}, 0, math.MaxInt64, 2)
	defer p.Close()
	for step := range 3 {
		if _, err := p.Next(); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
	}
	for range 2 {
		if _, err := p.Next(); !errors.Is(err, errFailing) {
			t.Errorf("got %v, want the source's error", err)
		}
	}
}

func TestPrefetchCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := Prefetch(ctx, generators(t, 1)["diagonal"], 0, math.MaxInt64, 2)
	defer p.Close()
	if _, err := p.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := p.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestPrefetchClose wants the goroutine gone and the number of batches bounded
// by depth: the race detector sees a source that is still in use.
func TestPrefetchClose(t *testing.T) {
	s := &failing{Source: generators(t, 1)["diagonal"], at: -1}
	p := Prefetch(context.Background(), s, 0, math.MaxInt64, 2)
	if _, err := p.Next(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // gives a goroutine without bound time to run away
	p.Close()
	if s.made > 3 {
		t.Errorf("made %d batches, want at most the one in use and 2 ahead", s.made)
	}
	if _, err := p.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("after Close: got %v, want context.Canceled", err)
	}
	batchOf(t, s, 0)
}

func TestPrefetchDoesNotAllocate(t *testing.T) {
	p := Prefetch(context.Background(), generators(t, 1)["fields"], 0, math.MaxInt64, 3)
	defer p.Close()
	next := func() {
		if _, err := p.Next(); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 { // every batch has its memory
		next()
	}
	if got := testing.AllocsPerRun(50, next); got != 0 {
		t.Errorf("%v allocations a batch, want 0", got)
	}
}
