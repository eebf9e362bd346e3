package grid

import (
	"errors"
	"sync"
	"testing"
)

func TestCacheKeepsTheLastUsed(t *testing.T) {
	c := NewCache(2)
	get := func(samples ...Shape) *Schedule {
		t.Helper()
		s, err := c.Get(samples)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkSchedule(s, samples); err != nil {
			t.Fatal(err)
		}
		return s
	}
	a := get(Shape{2, 2}, Shape{1, 3})
	b := get(Shape{1, 3}, Shape{2, 2})
	if a == b {
		t.Error("another order of samples gave the same schedule")
	}
	if get(Shape{2, 2}, Shape{1, 3}) != a || get(Shape{1, 3}, Shape{2, 2}) != b {
		t.Error("a kept schedule was made again")
	}
	get(Shape{2, 2}, Shape{1, 3}) // now b was used longest ago
	get(Shape{2, 2})              // takes its place
	if get(Shape{2, 2}, Shape{1, 3}) != a {
		t.Error("the schedule used last was dropped")
	}
	if get(Shape{1, 3}, Shape{2, 2}) == b {
		t.Error("more schedules than the limit were kept")
	}
}

func TestCacheLimitBelowOne(t *testing.T) {
	c := NewCache(0)
	first, err := c.Get([]Shape{{2}})
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := c.Get([]Shape{{2}}); again != first {
		t.Error("the only schedule was not kept")
	}
}

func TestCacheErrorKeepsOthers(t *testing.T) {
	c := NewCache(1)
	first, err := c.Get([]Shape{{2}})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.Get([]Shape{{0}}); s != nil || !errors.Is(err, ErrShape) {
		t.Errorf("got %v, %v, want ErrShape", s, err)
	}
	if again, _ := c.Get([]Shape{{2}}); again != first {
		t.Error("an error dropped a kept schedule")
	}
}

func TestCacheCopiesShapes(t *testing.T) {
	c := NewCache(2)
	samples := []Shape{{2}}
	first, err := c.Get(samples)
	if err != nil {
		t.Fatal(err)
	}
	samples[0][0] = 3
	if other, err := c.Get(samples); err != nil || other == first || other.Rows != 3 {
		t.Errorf("sizes changed by the caller: got %v, %v", other, err)
	}
}

func TestCacheFindsWithoutAllocating(t *testing.T) {
	c := NewCache(4)
	samples := make1D(64, 28)
	for _, length := range []int{1, 2, 28} {
		if _, err := c.Get(make1D(64, length)); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = c.Get(samples) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// TestCacheConcurrently is for the race detector; each list is built once.
func TestCacheConcurrently(t *testing.T) {
	c := NewCache(4)
	got := make([]*Schedule, 32)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i], _ = c.Get([]Shape{{1 + i%4, 3}}) })
	}
	wg.Wait()
	for i := range got {
		if got[i] == nil || got[i] != got[i%4] || got[i].Rows != 3*(1+i%4) {
			t.Errorf("goroutine %d got %v", i, got[i])
		}
	}
}
