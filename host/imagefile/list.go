package imagefile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mdlstm-gpu/host/nn/tensorfile"
)

// Named says whether a file's name ends as a picture's does: .png, .jpg, .jpeg
// in any case.
func Named(path string) bool {
	return slices.Contains([]string{".png", ".jpg", ".jpeg"}, strings.ToLower(filepath.Ext(path)))
}

// List returns the names of the pictures in a folder, in order; not those in
// folders inside it, nor hidden ones. A folder without pictures is an error.
func List(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", folder, tensorfile.Reason(err))
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && Named(e.Name()) {
			names = append(names, e.Name())
		}
	}
	if names == nil {
		return nil, fmt.Errorf("load %s: no picture in the folder: want files named .png, .jpg or .jpeg", folder)
	}
	return names, nil
}
