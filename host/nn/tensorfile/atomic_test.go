package tensorfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func text(content string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	}
}

// checkFolder wants exactly these files, "name=content".
func checkFolder(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		content, _ := os.ReadFile(filepath.Join(dir, entry.Name()))
		got = append(got, entry.Name()+"="+string(content))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAtomicWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	for _, content := range []string{"first, longer", "second", "", strings.Repeat("large", 1<<19)} {
		if err := AtomicWrite(path, text(content)); err != nil {
			t.Fatal(err)
		}
		checkFolder(t, dir, "a="+content)
	}
}

// TestAtomicWriteFails: neither the old file nor the folder shows a trace.
func TestAtomicWriteFails(t *testing.T) {
	broken := errors.New("no space left")
	for _, test := range []struct {
		name  string
		write func(w io.Writer) error
	}{
		{"at once", func(io.Writer) error { return broken }},
		{"after some bytes", func(w io.Writer) error {
			if err := text(strings.Repeat("x", 3<<20))(w); err != nil {
				return err
			}
			return fmt.Errorf("tensor x: %w", broken)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a")
			err := AtomicWrite(path, test.write)
			checkError(t, err, "write "+path+": ")
			if !errors.Is(err, broken) {
				t.Errorf("got %v, want it to wrap %v", err, broken)
			}
			checkFolder(t, dir)

			if err := AtomicWrite(path, text("old")); err != nil {
				t.Fatal(err)
			}
			checkError(t, AtomicWrite(path, test.write), "write "+path+": ")
			checkFolder(t, dir, "a=old")
		})
	}
}

// TestFillFails: the file itself refuses to be written, as on a full disk.
func TestFillFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no device that is always full: %v", err)
	}
	err = fill(full, 0, func(f *os.File) error { return text("x")(f) })
	checkError(t, err, "no space left on device")
	if err := full.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the file is still open (%v)", err)
	}
}

func TestAtomicWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plain"), []byte("p"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, want string }{
		{"folder", filepath.Join(dir, "folder"), "exists and is not a regular file"},
		{"device", os.DevNull, "exists and is not a regular file"},
		{"missing folder", filepath.Join(dir, "no", "a"), "no such file or directory"},
		{"file as folder", filepath.Join(dir, "plain", "a"), "not a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			called := false
			err := AtomicWrite(test.path, func(io.Writer) error { called = true; return nil })
			checkError(t, err, "write "+test.path+": "+test.want)
			if called {
				t.Error("the content was made for nothing")
			}
			checkFolder(t, dir, "folder=", "plain=p")
		})
	}
}

func TestAtomicWriteKeepsLinkAndMode(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := AtomicWrite(link, text("new")); err != nil {
		t.Fatal(err)
	}
	checkFolder(t, dir, "link=new", "target=new")
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
	info, err = os.Stat(target)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got mode %v %v, want 0640", info.Mode(), err)
	}
}

func TestSyncDir(t *testing.T) {
	if err := SyncDir(t.TempDir()); err != nil {
		t.Error(err)
	}
	if err := SyncDir(filepath.Join(t.TempDir(), "no")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want not found", err)
	}
}
