package imagefile

import (
	"fmt"

	"mdlstm-gpu/host/nn/tensorfile"
)

// endings are those of pictures' names.
var endings = []string{".png", ".jpg", ".jpeg"}

// Named says whether a file's name ends as a picture's does: .png, .jpg, .jpeg
// in any case.
func Named(path string) bool { return tensorfile.HasEnding(path, endings...) }

// List returns the names of the pictures in a folder, in order; not those in
// folders inside it, nor hidden ones. A folder without pictures is an error.
func List(folder string) ([]string, error) {
	names, err := tensorfile.List(folder, endings...)
	if err == nil && names == nil {
		err = fmt.Errorf("load %s: no picture in the folder: want files named .png, .jpg or .jpeg", folder)
	}
	return names, err
}
