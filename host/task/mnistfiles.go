package task

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"mdlstm-gpu/host/nn/tensorfile"
)

// digits are the images of a folder and which digit each one shows, those of the
// training files before those of the test files.
type digits struct {
	rows, cols int
	pixels     []byte // [count, rows, cols]
	labels     []byte // [count], 0 … 9
	training   int    // how many are of the training files
	hash       string
}

func (d *digits) count() int { return len(d.labels) }

func (d *digits) image(i int) []byte {
	cells := d.rows * d.cols
	return d.pixels[i*cells:][:cells]
}

// The beginnings of the standard file names.
const (
	trainingFiles = "train"
	testFiles     = "t10k"
)

// readDigits reads what a folder has of the four files. Errors are one line that
// begins with the path at fault.
func readDigits(dir string) (*digits, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("--data %s: %w", dir, tensorfile.Reason(err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("--data %s: is a file: give the folder that it lies in", dir)
	}
	d := &digits{}
	var parts [][32]byte
	for _, name := range []string{trainingFiles, testFiles} {
		images, labels, err := readPair(dir, name)
		if err != nil {
			return nil, err
		}
		if images == nil {
			parts = append(parts, [32]byte{}, [32]byte{})
			continue
		}
		rows, cols := images.shape[1], images.shape[2]
		if d.count() > 0 && (rows != d.rows || cols != d.cols) {
			return nil, fmt.Errorf("%s: the images of %s have %d × %d pixels, those of %s %d × %d: give files that belong together",
				dir, trainingFiles, d.rows, d.cols, testFiles, rows, cols)
		}
		d.rows, d.cols = rows, cols
		d.pixels = append(d.pixels, images.data...)
		d.labels = append(d.labels, labels.data...)
		if name == trainingFiles {
			d.training = d.count()
		}
		parts = append(parts, images.sha256, labels.sha256)
	}
	if d.count() == 0 {
		return nil, fmt.Errorf("--data %s: has no MNIST files: want %s-images-idx3-ubyte and %s-labels-idx1-ubyte, or those of %s, or all four, plain or .gz",
			dir, trainingFiles, trainingFiles, testFiles)
	}
	d.hash = hashParts(parts...)
	return d, nil
}

// readPair reads the images and the labels of one name; nil when there are none
// of both.
func readPair(dir, name string) (images, labels *idx, err error) {
	imagesPath, err := findIDX(dir, name+"-images", "idx3-ubyte")
	if err != nil {
		return nil, nil, err
	}
	labelsPath, err := findIDX(dir, name+"-labels", "idx1-ubyte")
	if err != nil {
		return nil, nil, err
	}
	switch {
	case imagesPath == "" && labelsPath == "":
		return nil, nil, nil
	case labelsPath == "":
		return nil, nil, fmt.Errorf("%s: has no labels beside it: put %s-labels-idx1-ubyte, plain or .gz, into the folder", imagesPath, name)
	case imagesPath == "":
		return nil, nil, fmt.Errorf("%s: has no images beside it: put %s-images-idx3-ubyte, plain or .gz, into the folder", labelsPath, name)
	}
	if images, err = readIDX(imagesPath, 3); err != nil {
		return nil, nil, err
	}
	if labels, err = readIDX(labelsPath, 1); err != nil {
		return nil, nil, err
	}
	if got, want := labels.shape[0], images.shape[0]; got != want {
		return nil, nil, fmt.Errorf("%s: has %d labels for the %d images of %s: give files that belong together", labelsPath, got, want, imagesPath)
	}
	for i, label := range labels.data {
		if label >= background {
			return nil, nil, fmt.Errorf("%s: label %d is %d, want a digit, 0 to 9: give the original MNIST files", labelsPath, i, label)
		}
	}
	return images, labels, nil
}

// findIDX finds a file under the names that it goes by, plain ones first; ""
// when there is none.
func findIDX(dir, name, format string) (string, error) {
	for _, file := range []string{name + "-" + format, name + "." + format} {
		for _, ending := range []string{"", ".gz"} {
			path := filepath.Join(dir, file+ending)
			_, err := os.Stat(path)
			if err == nil {
				return path, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("%s: %w", path, tensorfile.Reason(err))
			}
		}
	}
	return "", nil
}
