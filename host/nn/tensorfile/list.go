package tensorfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// List returns the names in a folder that have one of the endings, such as
// ".png", in any case, in order; not those of folders, nor hidden ones. None are
// no error.
func List(folder string, endings ...string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", folder, Reason(err))
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && HasEnding(e.Name(), endings...) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// HasEnding says whether a file's name has one of the endings, in any case.
func HasEnding(path string, endings ...string) bool {
	return slices.Contains(endings, strings.ToLower(filepath.Ext(path)))
}
