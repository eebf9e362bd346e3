// Package gputest is what tests of GPU code share: a device or a loud reason
// why there is none, buffers whose surroundings are watched, and one way to
// compare numbers.
package gputest

import (
	"fmt"
	"math"
	"os"
	"testing"
	"unsafe"

	"mdlstm-gpu/host/cuda"
)

// Open opens device 0 for a test and closes it at its end, when memory never
// freed fails the test. Without a device the test is skipped and says why; with
// MDLSTM_REQUIRE_GPU=1 it fails instead.
func Open(t testing.TB) *cuda.Context {
	t.Helper()
	c, err := cuda.Open(0)
	if err != nil {
		refuse(t, os.Getenv("MDLSTM_REQUIRE_GPU") == "1", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil && c.Lost() == nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// stopper is the part of testing.TB that refuse needs.
type stopper interface {
	Helper()
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

func refuse(t stopper, required bool, err error) {
	t.Helper()
	if required {
		t.Fatalf("MDLSTM_REQUIRE_GPU=1: %v", err)
		return
	}
	t.Skipf("no GPU: %v (make test-emu runs this test on the emulator)", err)
}

// guard is how many elements lie on either side of a watched buffer, and
// guardBits what they hold: a NaN for floats.
const (
	guard     = 64
	guardBits = 0x7fc0dead
)

// Buffer is device memory of 32-bit elements between two guard zones.
type Buffer[T ~float32 | ~int32 | ~uint32] struct {
	t    testing.TB
	name string
	n    int
	m    *cuda.Memory
}

// New puts values into a watched buffer on the device. At the end of the test
// it is freed, and the test fails if anything wrote around it.
func New[T ~float32 | ~int32 | ~uint32](t testing.TB, c *cuda.Context, name string, values []T) *Buffer[T] {
	t.Helper()
	m, err := c.Alloc(name, int64(4*(len(values)+2*guard)))
	if err != nil {
		t.Fatal(err)
	}
	all := make([]uint32, len(values)+2*guard)
	for i := range all {
		all[i] = guardBits
	}
	for i, v := range values {
		all[guard+i] = *(*uint32)(unsafe.Pointer(&v))
	}
	if err := cuda.Upload(m, 0, all); err != nil {
		t.Fatal(err)
	}
	b := &Buffer[T]{t, name, len(values), m}
	t.Cleanup(func() {
		if c.Lost() == nil {
			if err := b.Intact(); err != nil {
				t.Error(err)
			}
		}
		if err := m.Free(); err != nil && c.Lost() == nil {
			t.Error(err)
		}
	})
	return b
}

// NaNs is an output of n elements that a kernel must overwrite.
func NaNs(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

// Address is where the buffer begins on the device.
func (b *Buffer[T]) Address() cuda.Address { return b.m.Address() + 4*guard }

// Argument is the buffer as a kernel's argument.
func (b *Buffer[T]) Argument() cuda.Argument { return cuda.Pointer(b.Address()) }

// Values waits for the device and copies the buffer back.
func (b *Buffer[T]) Values() []T {
	b.t.Helper()
	if err := b.m.Synchronize(); err != nil {
		b.t.Fatal(err)
	}
	x := make([]T, b.n)
	raw := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
	if err := cuda.Download(raw, b.m, guard); err != nil {
		b.t.Fatal(err)
	}
	return x
}

// Intact says which element around the buffer was written, or nil.
func (b *Buffer[T]) Intact() error {
	all := make([]uint32, b.n+2*guard)
	if err := cuda.Download(all, b.m, 0); err != nil {
		return err
	}
	for i, v := range all {
		if at := i - guard; (at < 0 || at >= b.n) && v != guardBits {
			return fmt.Errorf("%s: element %d of %d was written: %#x", b.name, at, b.n, v)
		}
	}
	return nil
}

// Near compares element by element, |got-want| ≤ atol + rtol·|want|. NaN is
// near to nothing, an infinity to itself only. It returns the largest share of
// the tolerance that was used, and an error that names the worst element when
// that is above 1 or the lengths differ.
func Near[G, W ~float32 | ~float64](name string, got []G, want []W, atol, rtol float64) (share float64, err error) {
	if len(got) != len(want) {
		return math.Inf(1), fmt.Errorf("%s: got %d elements, want %d", name, len(got), len(want))
	}
	worst := -1
	for i := range got {
		g, w := float64(got[i]), float64(want[i])
		s := math.Abs(g-w) / (atol + rtol*math.Abs(w))
		if g == w {
			s = 0
		}
		if math.IsNaN(s) || math.IsInf(w, 0) && g != w {
			s = math.Inf(1)
		}
		if s > share {
			share, worst = s, i
		}
	}
	if share > 1 {
		return share, fmt.Errorf("%s[%d] = %v, want %v: %.3g times the tolerance (%g + %g·|want|)", name, worst, got[worst], want[worst], share, atol, rtol)
	}
	return share, nil
}
