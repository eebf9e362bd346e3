package tensorfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.png", "a.PNG", "c.jpg", ".d.png", "e.png.txt", "png", "f.npy"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "g.png"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ endings, want []string }{
		{[]string{".png"}, []string{"a.PNG", "b.png"}},
		{[]string{".jpg", ".png"}, []string{"a.PNG", "b.png", "c.jpg"}},
		{[]string{".gif"}, nil},
	} {
		got, err := List(dir, test.endings...)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q (error %v), want %q", test.endings, got, err, test.want)
		}
	}
	none := filepath.Join(dir, "none")
	if _, err := List(none, ".png"); !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), none) != 1 {
		t.Errorf("got error %v, want one that names %s once", err, none)
	}
}
