//go:build cuda && cgo

package cuda_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
)

func TestUploadDownload(t *testing.T) {
	c := gputest.Open(t)
	for _, n := range []int{0, 1, 31, 1000} {
		m, err := c.Alloc("test", int64(4*n))
		must(t, err)
		want := make([]float32, n)
		for i := range want {
			want[i] = float32(i)
		}
		must(t, cuda.Upload(m, 0, want))
		got := make([]float32, n)
		must(t, cuda.Download(got, m, 0))
		if !slices.Equal(got, want) {
			t.Errorf("%d elements came back as others", n)
		}
		if n > 2 {
			must(t, cuda.Upload(m, 2, []float32{-1}))
			must(t, cuda.Download(got[:1], m, 2))
			if got[0] != -1 {
				t.Errorf("element 2 is %v, want -1", got[0])
			}
		}
		must(t, m.Free())
		must(t, m.Free()) // the second does nothing
	}
}

// TestRanges: what lies outside a buffer is refused before the driver sees it.
func TestRanges(t *testing.T) {
	c := gputest.Open(t)
	s, err := c.NewStream()
	must(t, err)
	defer s.Close()
	m, err := c.Alloc("test", 100)
	must(t, err)
	p, err := c.AllocPinned("test", 100)
	must(t, err)
	x := make([]float32, 26)
	for name, err := range map[string]error{
		"upload":          cuda.Upload(m, 0, x),
		"offset":          cuda.Upload(m, 25, x[:1]),
		"negative offset": cuda.Download(x[:1], m, -1),
		"async upload":    s.Upload(m, 0, p, 1, 100),
		"async download":  s.Download(p, 96, m, 0, 8),
		"copy":            s.Copy(m, 50, m, 0, 51),
		"overlap":         s.Copy(m, 0, m, 10, 20),
		"fill":            s.Fill(m, 99, 2, 0),
		"words":           s.Fill32(m, 0, 26, 0),
		"odd words":       s.Fill32(m, 2, 1, 0),
		"many words":      s.Fill32(m, 0, 1<<62, 0),
		"huge":            s.Fill(m, 1, 1<<63-1, 0),
		"negative":        func() error { _, err := c.Alloc("test", -1); return err }(),
		"negative pinned": func() error { _, err := c.AllocPinned("test", -1); return err }(),
	} {
		if !errors.Is(err, cuda.ErrRange) {
			t.Errorf("%s: %v, want ErrRange", name, err)
		}
	}
	must(t, m.Free())
	must(t, p.Free())
	if err := cuda.Upload(m, 0, x[:1]); !errors.Is(err, cuda.ErrClosed) {
		t.Errorf("upload to freed memory: %v", err)
	}
	if err := s.Upload(m, 0, p, 0, 4); !errors.Is(err, cuda.ErrClosed) {
		t.Errorf("upload from freed memory: %v", err)
	}
}

func TestUsageAndPool(t *testing.T) {
	t.Setenv("MDLSTM_POOL", "1")
	t.Setenv("MDLSTM_SYNC", "0")
	c := gputest.Open(t)
	a, err := c.Alloc("plan A", 1000)
	must(t, err)
	b, err := c.Alloc("weights", 3000)
	must(t, err)
	u := c.Usage()
	if u.Live != 1024+3072 || u.Peak != u.Live || u.Pooled != 0 || u.Owners["plan A"] != 1024 || u.Owners["weights"] != 3072 {
		t.Errorf("two buffers: %+v", u)
	}
	at := a.Address()
	must(t, a.Free())
	u = c.Usage()
	if u.Live != 3072 || u.Peak != 4096 || len(u.Owners) != 1 {
		t.Errorf("after Free: %+v", u)
	}
	a, err = c.Alloc("plan B", 900) // the same size class
	must(t, err)
	if a.Address() != at || c.Usage().Pooled != 0 {
		t.Errorf("the pool was not used: %x, want %x; %+v", a.Address(), at, c.Usage())
	}
	must(t, a.Free())
	must(t, c.Trim())
	if u := c.Usage(); u.Pooled != 0 {
		t.Errorf("after Trim: %+v", u)
	}
	must(t, b.Free())
}

// TestNoPool: without the pool an allocation is exact and Free gives it back.
func TestNoPool(t *testing.T) {
	t.Setenv("MDLSTM_POOL", "0")
	c := gputest.Open(t)
	before, _, err := c.MemoryInfo()
	must(t, err)
	m, err := c.Alloc("plan", 1000)
	must(t, err)
	if u := c.Usage(); u.Live != 1000 {
		t.Errorf("%+v", u)
	}
	must(t, m.Free())
	after, _, err := c.MemoryInfo()
	must(t, err)
	if u := c.Usage(); u.Pooled != 0 || after != before {
		t.Errorf("%+v, %d bytes free, %d before", u, after, before)
	}
}

// TestOutOfMemory: on a device of 1 MiB the pool is emptied before an
// allocation is refused, and the error says how much was asked for and is free.
func TestOutOfMemory(t *testing.T) {
	t.Setenv("MDLSTM_EMU_MEMORY", "1048576")
	t.Setenv("MDLSTM_POOL", "1")
	t.Setenv("MDLSTM_SYNC", "0")
	c := emulated(t)
	big, err := c.Alloc("plan", 800<<10)
	must(t, err)
	must(t, big.Free()) // into the pool
	other, err := c.Alloc("plan", 600<<10)
	must(t, err)
	_, err = c.Alloc("gradients", 500<<10)
	if !errors.Is(err, cuda.OutOfMemory) || errors.Is(err, cuda.LaunchFailed) {
		t.Fatalf("got %v, want OutOfMemory", err)
	}
	if want := "cuMemAlloc for gradients: out of memory: asked for 512.0 KiB, 384.0 KiB free"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	must(t, other.Free())
	again, err := c.Alloc("gradients", 1<<20)
	must(t, err)
	must(t, again.Free())
}

func TestPinnedOutOfMemory(t *testing.T) {
	c := emulated(t)
	t.Setenv("MDLSTM_EMU_FAIL", "cuMemAllocHost=2")
	if _, err := c.AllocPinned("input", 4096); !errors.Is(err, cuda.OutOfMemory) || !strings.Contains(err.Error(), "cuMemAllocHost for input: out of memory: asked for 4.0 KiB") {
		t.Errorf("got %v", err)
	}
}

// TestLeak: Close names who never freed.
func TestLeak(t *testing.T) {
	c := emulated(t)
	_, err := c.Alloc("forgotten plan", 5000)
	must(t, err)
	if err := c.Close(); err == nil || !strings.Contains(err.Error(), "memory never freed: forgotten plan ") {
		t.Errorf("got %v", err)
	}
}

// TestConcurrent: many goroutines, so many OS threads, share one context.
func TestConcurrent(t *testing.T) {
	c := gputest.Open(t)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 20 {
				m, err := c.Alloc("goroutine", int64(4*(g+1)*(i+1)))
				if err != nil {
					t.Error(err)
					return
				}
				want := make([]int32, (g+1)*(i+1))
				for k := range want {
					want[k] = int32(g*1000 + i)
				}
				got := make([]int32, len(want))
				if err := errors.Join(cuda.Upload(m, 0, want), cuda.Download(got, m, 0), m.Free()); err != nil {
					t.Error(err)
					return
				}
				if !slices.Equal(got, want) {
					t.Errorf("goroutine %d: another's data", g)
				}
			}
		})
	}
	wg.Wait()
	if u := c.Usage(); u.Live != 0 {
		t.Errorf("%+v", u)
	}
}
