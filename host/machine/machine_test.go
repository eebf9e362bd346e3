package machine

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestFits(t *testing.T) {
	if err := Fits(1); err != nil {
		t.Errorf("one byte: %v", err)
	}
	if FreeMemory() == 0 {
		t.Skip("this system does not say how much memory is free")
	}
	err := Fits(math.MaxInt64)
	if !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "needs 8589934592.0 GiB, ") {
		t.Errorf("all that can be counted: got %v, want a refusal with the figure", err)
	}
}

func TestFreeMemoryIsPlausible(t *testing.T) {
	if free := FreeMemory(); free < 0 || free > 1<<50 {
		t.Errorf("got %d bytes, want 0 (unknown) to 1 PiB", free)
	}
}

func TestProcessor(t *testing.T) {
	if name := Processor(); name == "" || strings.TrimSpace(name) != name {
		t.Errorf("got %q, want a name", name)
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0.0 MiB", 200_000: "0.2 MiB", 1<<30 - 1<<20: "1023.0 MiB", 1 << 30: "1.0 GiB", 3 << 39: "1536.0 GiB"} {
		if got := Size(bytes); got != want {
			t.Errorf("%d bytes: got %q, want %q", bytes, got, want)
		}
	}
}
