package tensorfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"mdlstm-gpu/host/machine"
)

// TestReadPipe must not wait for a writer that never comes.
func TestReadPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	_, _, err := Read(path)
	checkError(t, err, "load "+path+": not a regular file")
}

// TestReadBeyondMemory: a file with holes is longer than there is memory.
func TestReadBeyondMemory(t *testing.T) {
	if machine.FreeMemory() == 0 {
		t.Skip("this system does not say how much memory is free")
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := os.WriteFile(path, file("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<43); err != nil {
		t.Skipf("no files with holes here: %v", err)
	}
	_, _, err := Read(path)
	checkError(t, err, "load "+path+": out of memory: needs 16384.0 GiB")
	if !errors.Is(err, machine.ErrMemory) {
		t.Errorf("got %v, want one that wraps ErrMemory", err)
	}
}
