package imagefile

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"

	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn/tensorfile"
)

// MaxPixels is the largest picture that is read where [Limits] says nothing:
// 16384×16384.
const MaxPixels = 1 << 28

// Limits bound what is read. Zero fields mean the defaults.
type Limits struct {
	Pixels int64 // height × width; 0 = MaxPixels
}

// Size is what a picture's header says.
type Size struct{ Height, Width int }

// Stat reads the header only: the picture's size. It checks what [Decode] checks
// before it decodes, but for the memory.
func Stat(path string, limits Limits) (Size, error) {
	f, opened, err := open(path, limits)
	if err != nil {
		return Size{}, fmt.Errorf("load %s: %w", path, err)
	}
	defer opened.Close()
	return f.size, nil
}

// StatReader is [Stat] for a picture of length bytes that is no file; errors do
// not begin with a path. memory is what [DecodeReader] holds at most, in bytes,
// beside the Image that it makes.
func StatReader(r io.ReadSeeker, length int64, limits Limits) (size Size, memory int64, err error) {
	f, err := readHeader(r, length, limits)
	if err != nil {
		return Size{}, 0, err
	}
	return f.size, f.memory(), nil
}

// file is an open picture whose header was read and found plausible.
type file struct {
	io.ReadSeeker
	length int64
	size   Size
	model  color.Model

	// What a PNG's header says; 0 for JPEG. Colour types are those of the PNG
	// specification: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
	depth, colour byte
	isPNG         bool
	interlaced    bool // a PNG
	progressive   bool // a JPEG
}

var (
	pngMagic  = []byte("\x89PNG\r\n\x1a\n")
	jpegMagic = []byte("\xff\xd8\xff")
)

// Upper bounds of what a byte of a file can stand for. Deflate packs at most 258
// bytes into 2 bits, its one-bit codes for length and distance; a JPEG spends a
// bit at least on each block of 8×8 pixels.
const (
	inflated      = 1032
	pixelsOfAByte = 8 * 64
)

// open returns what to close after use, too.
func open(path string, limits Limits) (*file, io.Closer, error) {
	opened, length, err := tensorfile.OpenRegular(path)
	switch {
	case errors.Is(err, tensorfile.ErrNotRegular):
		return nil, nil, fmt.Errorf("is %w, want a PNG or JPEG file", err)
	case err != nil:
		return nil, nil, err
	case length == 0:
		opened.Close()
		return nil, nil, errors.New("the file is empty")
	}
	f, err := readHeader(opened, length, limits)
	if err != nil {
		opened.Close()
		return nil, nil, err
	}
	return f, opened, nil
}

// readHeader looks at a picture of length bytes.
func readHeader(r io.ReadSeeker, length int64, limits Limits) (*file, error) {
	f := &file{ReadSeeker: r, length: length}
	var head [29]byte // to the end of a PNG's first chunk
	n, err := io.ReadFull(f, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, tensorfile.Reason(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, tensorfile.Reason(err)
	}
	var config image.Config
	switch {
	case bytes.HasPrefix(head[:n], pngMagic):
		f.isPNG = true
		f.depth, f.colour, f.interlaced = head[24], head[25], head[28] != 0
		config, err = png.DecodeConfig(f)
	case bytes.HasPrefix(head[:n], jpegMagic):
		config, err = jpeg.DecodeConfig(f)
	default:
		return nil, errors.New("is neither a PNG nor a JPEG file: convert it to PNG")
	}
	if err != nil {
		return nil, damaged(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, tensorfile.Reason(err)
	}
	f.size, f.model = Size{config.Height, config.Width}, config.ColorModel
	if err := f.checkSize(limits); err != nil {
		return nil, err
	}
	if !f.isPNG {
		f.progressive = isProgressive(f)
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, tensorfile.Reason(err)
		}
	}
	return f, nil
}

// checkSize refuses sizes beyond the limit, and those that a file of this length
// cannot hold.
func (f *file) checkSize(limits Limits) error {
	h, w := int64(f.size.Height), int64(f.size.Width)
	if h < 1 || w < 1 {
		return fmt.Errorf("%d×%d pixels: the picture is empty", h, w)
	}
	limit := limits.Pixels
	if limit == 0 {
		limit = MaxPixels
	}
	if w > limit/h {
		return fmt.Errorf("%d×%d pixels, want at most %d in all: cut it into smaller pictures", h, w, limit)
	}
	holds := f.length > h*w/pixelsOfAByte
	if f.isPNG {
		channels := map[byte]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[f.colour]
		bits := channels * int64(f.depth)
		holds = f.length > h*w/8*bits/inflated // the limit keeps the product small
	}
	if !holds {
		return fmt.Errorf("%d×%d pixels, which a file of %d bytes cannot hold: it is truncated, or not what it says", h, w, f.length)
	}
	return nil
}

// memory is what the decoders hold of a picture, in bytes, at most. A decoded
// pixel has up to 8; of an interlaced PNG there are the pictures of its passes
// too. A JPEG is made of blocks that may lie up to 31 pixels beyond its edges,
// and a progressive one keeps 4 bytes more for each of up to 4 components.
func (f *file) memory() int64 {
	h, w := int64(f.size.Height), int64(f.size.Width)
	switch {
	case f.isPNG && f.interlaced:
		return 16 * h * w
	case f.isPNG:
		return 8 * h * w
	}
	h, w = (h+31)/32*32, (w+31)/32*32
	if f.progressive {
		return 24 * h * w
	}
	return 8 * h * w
}

// decode reads the pixels; perPixel is the memory in bytes that the caller takes
// for each beside the decoded picture.
func (f *file) decode(perPixel int64) (image.Image, error) {
	pixels := int64(f.size.Height) * int64(f.size.Width)
	if err := machine.Fits(f.memory() + pixels*perPixel); err != nil {
		return nil, fmt.Errorf("%d×%d pixels: %w: cut it into smaller pictures", f.size.Height, f.size.Width, err)
	}
	if f.progressive {
		if err := f.checkScans(); err != nil {
			return nil, err
		}
	}
	var img image.Image
	var err error
	if f.isPNG {
		img, err = png.Decode(f)
	} else {
		img, err = jpeg.Decode(f)
	}
	if err != nil {
		return nil, damaged(err)
	}
	if b := img.Bounds(); b.Dy() != f.size.Height || b.Dx() != f.size.Width {
		return nil, fmt.Errorf("%d×%d pixels, its header says %d×%d: the file is damaged", b.Dy(), b.Dx(), f.size.Height, f.size.Width)
	}
	return img, nil
}

// damaged says what a decoder's error means to a user.
func damaged(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("the file ends too early: it is truncated")
	}
	return fmt.Errorf("the file is damaged, or of a kind that is not read: %w", err)
}
