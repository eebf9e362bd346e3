package tensorfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpenRegular: the size of a file, and errors that leave the path to the
// caller.
func TestOpenRegular(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := os.WriteFile(path, []byte("four"), 0o666); err != nil {
		t.Fatal(err)
	}
	file, size, err := OpenRegular(path)
	if err != nil || size != 4 {
		t.Fatalf("got %d bytes (error %v), want 4", size, err)
	}
	file.Close()
	for path, want := range map[string]error{filepath.Join(dir, "none"): fs.ErrNotExist, dir: ErrNotRegular, os.DevNull: ErrNotRegular} {
		_, _, err := OpenRegular(path)
		if !errors.Is(err, want) || strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %v without the path", path, err, want)
		}
	}
}
