package task

import (
	"crypto/sha256"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"slices"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/nn/tensorfile"
	"mdlstm-gpu/host/npy"
)

// format is a kind of files that samples and masks lie in. Its methods may run
// concurrently. Errors are one line with the path of the file.
type format interface {
	task() string
	axes() int
	// list names the files of a folder that are of this kind, in order; none are
	// an error.
	list(folder string) ([]string, error)
	input(path string) (input, error)
	mask(path string) (mask, error)
}

// input is a sample's values x [*size, channels], and the hash of its file; zero
// where reading does not bring it along.
type input struct {
	size     grid.Shape
	channels int
	x        []float32
	hash     [32]byte
}

// mask is a sample's values [*size] as the file has them, and the file's hash, as
// in input.
type mask struct {
	size    grid.Shape
	values  []int32
	palette color.Palette // of a picture; nil where it is grey
	hash    [32]byte
}

// pictures are PNG and JPEG files with so many channels, masks PNG only.
type pictures int

func (pictures) task() string                         { return "images" }
func (pictures) axes() int                            { return 2 }
func (pictures) list(folder string) ([]string, error) { return imagefile.List(folder) }

func (channels pictures) input(path string) (input, error) {
	m, err := imagefile.Decode(path, int(channels), imagefile.Limits{})
	if err != nil {
		return input{}, err
	}
	return input{size: grid.Shape{m.Height, m.Width}, channels: m.Channels, x: m.Pix}, nil
}

func (pictures) mask(path string) (mask, error) {
	m, err := imagefile.DecodeMask(path, imagefile.Limits{})
	if err != nil {
		return mask{}, err
	}
	return mask{size: grid.Shape{m.Height, m.Width}, values: m.Values, palette: m.Palette}, nil
}

// hashFile is the SHA-256 of a file that was read just before, most often out of
// the system's memory.
func hashFile(path string) (hash [32]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return hash, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return hash, err
	}
	sum.Sum(hash[:0])
	return hash, nil
}

// volumes are .npy files: values [D, H, W] or [D, H, W, K], masks [D, H, W] of
// integers.
type volumes struct{}

const volumeAxes = 3

func (volumes) task() string { return "volumes" }
func (volumes) axes() int    { return volumeAxes }

func (volumes) list(folder string) ([]string, error) { return ListVolumes(folder) }

// ListVolumes returns the names of the .npy files in a folder, in order; not those
// in folders inside it, nor hidden ones. A folder without any is an error.
func ListVolumes(folder string) ([]string, error) {
	names, err := tensorfile.List(folder, ".npy")
	if err == nil && names == nil {
		err = fmt.Errorf("load %s: no volume in the folder: want files named .npy", folder)
	}
	return names, err
}

func (volumes) input(path string) (input, error) {
	a, err := npy.Read(path)
	if err != nil {
		return input{}, fmt.Errorf("load %w", err)
	}
	in := input{channels: 1, x: a.Data, hash: a.SHA256}
	switch {
	case slices.Contains(a.Shape, 0):
		return in, fmt.Errorf("load %s: shape %v has no values: give at least one cell and channel", path, a.Shape)
	case len(a.Shape) == volumeAxes+1:
		in.channels = a.Shape[volumeAxes]
	case len(a.Shape) != volumeAxes:
		return in, fmt.Errorf("load %s: shape %v, want [depth, height, width] or [depth, height, width, channels]", path, a.Shape)
	}
	in.size = a.Shape[:volumeAxes:volumeAxes]
	for i, v := range in.x {
		if v-v != 0 {
			return in, fmt.Errorf("load %s: cell %v, channel %d is %v as float32, want finite values: clean the data",
				path, coordinates(i/in.channels, in.size), i%in.channels, v)
		}
	}
	return in, nil
}

func (volumes) mask(path string) (mask, error) {
	a, err := npy.Read(path)
	if err != nil {
		return mask{}, fmt.Errorf("load %w", err)
	}
	if err := a.CheckInts(); err != nil {
		return mask{}, fmt.Errorf("load %s: class numbers: %w", path, err)
	}
	if len(a.Shape) != volumeAxes || slices.Contains(a.Shape, 0) {
		return mask{}, fmt.Errorf("load %s: shape %v, want [depth, height, width] as its volume has", path, a.Shape)
	}
	m := mask{size: a.Shape, values: make([]int32, len(a.Data)), hash: a.SHA256}
	for i := range m.values {
		v := a.Int(i)
		if v < math.MinInt32 || v > math.MaxInt32 {
			return m, fmt.Errorf("load %s: cell %v is %d, want class numbers within 32 bits", path, coordinates(i, a.Shape), v)
		}
		m.values[i] = int32(v)
	}
	return m, nil
}
