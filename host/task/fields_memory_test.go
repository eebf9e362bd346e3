package task

import (
	"runtime"
	"testing"

	"mdlstm-gpu/host/grid"
)

// TestNewFieldsTakesNoMemory: whether a batch fits is the engine's to say, and
// it is asked between the settings and the first batch.
func TestNewFieldsTakesNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := NewFields(Options{Size: grid.Shape{1 << 12, 1 << 12}, Batch: 1, Channels: 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	f.Hash()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("took %d bytes, want next to none", got)
	}
	runtime.KeepAlive(f)
}
