package report

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestReplaceFileLeavesNothing: what a kill left behind goes with the next
// report, and the user's umask holds for reports too.
func TestReplaceFileLeavesNothing(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := t.TempDir()
	path := filepath.Join(dir, "loss.png")
	if err := os.WriteFile(tempName(path), []byte("half a picture, longer than the whole"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(path, []byte("picture")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "picture" {
		t.Errorf("got %q, %v", got, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v: want the picture alone", entries, err)
	}
	if info, err := entries[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want -rw-------", info.Mode(), err)
	}
}
