package npy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdlstm-gpu/host/machine"
)

// TestReadBeyondMemory: a file with holes may claim more than there is memory,
// and have that many bytes.
func TestReadBeyondMemory(t *testing.T) {
	if machine.FreeMemory() == 0 {
		t.Skip("this system does not say how much memory is free")
	}
	path := filepath.Join(t.TempDir(), "x.npy")
	header := encodeHeader("<f4", []int{1, 1 << 18, 1 << 22, 1})
	if err := os.WriteFile(path, header, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(header))+4<<40); err != nil {
		t.Skipf("no files with holes here: %v", err)
	}
	_, err := Read(path)
	if !errors.Is(err, machine.ErrMemory) || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), "needs 4096.0 GiB") {
		t.Errorf("got %v, want a refusal for its memory", err)
	}
}
