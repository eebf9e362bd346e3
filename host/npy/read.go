package npy

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"

	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn/tensorfile"
)

const magic = "\x93NUMPY"

// Read reads one array: a .npy file, the only array of a .npz file, or with
// "file.npz:name" the array of that name. What a file is follows from its first
// bytes, not from its name. Errors are one line that begins with the path.
func Read(path string) (*Array, error) {
	a, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

func read(path string) (*Array, error) {
	file, key := path, ""
	f, size, err := tensorfile.OpenRegular(file)
	if i := strings.LastIndex(path, ".npz:"); errors.Is(err, fs.ErrNotExist) && i >= 0 {
		file, key = path[:i+len(".npz")], path[i+len(".npz:"):]
		if key == "" {
			return nil, errors.New("names no array behind the colon: want file.npz:name")
		}
		f, size, err = tensorfile.OpenRegular(file)
	}
	if errors.Is(err, tensorfile.ErrNotRegular) {
		return nil, fmt.Errorf("is %w: want a .npy or .npz file", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decode(f, size, key)
}

// decode reads a .npy or .npz file of size bytes.
func decode(r io.ReaderAt, size int64, key string) (*Array, error) {
	start := make([]byte, min(size, int64(len(magic))))
	if _, err := r.ReadAt(start, 0); err != nil && err != io.EOF {
		return nil, err
	}
	switch s := string(start); {
	case strings.HasPrefix(s, "PK\x03\x04"), strings.HasPrefix(s, "PK\x05\x06"):
		return decodeZip(r, size, key)
	case key != "":
		return nil, fmt.Errorf("is no .npz archive, so it has no array %q", key)
	case s == magic:
		return decodeArray(io.NewSectionReader(r, 0, size), size)
	case size == 0:
		return nil, errors.New("empty: want a .npy or .npz file")
	case strings.HasPrefix(magic, s):
		return nil, fmt.Errorf("truncated: %d bytes are less than the header", size)
	case s[0] == 0x80:
		return nil, errors.New("is a Python pickle, which is never read: save the array with numpy.save")
	}
	return nil, fmt.Errorf("begins with %s: want a .npy or .npz file", clip(string(start)))
}

// layout is where the values of a .npy file lie, and what they are.
type layout struct {
	header
	dtype  dtype
	values int64
	shape  []int
	start  int64
}

// readLayout reads and checks the header of a .npy file of size bytes.
func readLayout(in io.Reader, size int64) (l layout, err error) {
	if l.header, l.start, err = readHeader(in, size); err != nil {
		return l, err
	}
	if l.dtype, err = parseDType(l.descr); err != nil {
		return l, err
	}
	l.values, l.shape, err = l.fits(l.dtype, size-l.start)
	return l, err
}

// decodeArray reads one .npy file, which has size bytes, from r.
func decodeArray(r io.Reader, size int64) (*Array, error) {
	sum := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(r, sum), 1<<16)
	l, err := readLayout(in, size)
	if err != nil {
		return nil, err
	}
	if err := machine.Fits(4 * l.values); err != nil {
		return nil, fmt.Errorf("shape %v as float32: %w: split the file, or save it with numpy.save as float32 in C order, which predict need not read as a whole", l.header.shape, err)
	}
	a := &Array{Shape: l.shape, Kind: l.dtype.kind, DType: l.dtype.name, Data: make([]float32, l.values)}
	if err := a.fill(in, l.dtype, l.fortran); err != nil {
		return nil, err
	}
	// One read past the end: a zip reader checks its CRC there.
	if _, err := in.ReadByte(); err != io.EOF {
		return nil, fmt.Errorf("damaged behind the array: %w", errOr(err, errors.New("more bytes than declared")))
	}
	sum.Sum(a.SHA256[:0])
	return a, nil
}

// fits checks a shape against the bytes found behind the header and returns the
// number of its values.
func (h *header) fits(d dtype, found int64) (n int64, shape []int, err error) {
	n, ok := product(h.shape, math.MaxInt64/8)
	switch {
	case !ok || n > found/int64(d.size):
		return 0, nil, fmt.Errorf("truncated: shape %v of %s needs more than the %d bytes behind the header", h.shape, d.name, found)
	case n*int64(d.size) < found:
		return 0, nil, fmt.Errorf("has %d bytes behind the array: shape %v of %s ends before; save one array a file", found-n*int64(d.size), h.shape, d.name)
	}
	shape, err = narrow(h.shape)
	return n, shape, err
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// narrow turns lengths into ints, which are shorter on small machines. Lengths
// of an array without values were not bounded by the file's size.
func narrow(lengths []int64) ([]int, error) {
	shape := make([]int, len(lengths))
	for i, length := range lengths {
		if length > math.MaxInt32 && length > math.MaxInt/8 {
			return nil, fmt.Errorf("has the shape %v, too large for this machine", lengths)
		}
		shape[i] = int(length)
	}
	return shape, nil
}

// readHeader reads all in front of the values and returns its length too.
func readHeader(in io.Reader, size int64) (h header, start int64, err error) {
	var fixed [12]byte
	read := func(b []byte, what string) error {
		start += int64(len(b))
		if start > size {
			return fmt.Errorf("truncated: %d bytes end inside %s", size, what)
		}
		if _, err := io.ReadFull(in, b); err != nil {
			return fmt.Errorf("reading %s: %w", what, err)
		}
		return nil
	}
	if err := read(fixed[:8], "the version"); err != nil {
		return h, 0, err
	}
	if string(fixed[:6]) != magic {
		return h, 0, fmt.Errorf("begins with %s, not as a .npy file", clip(string(fixed[:6])))
	}
	width := 4
	switch major, minor := fixed[6], fixed[7]; {
	case major == 1 && minor == 0:
		width = 2
	case major == 2 && minor == 0, major == 3 && minor == 0:
	default:
		return h, 0, fmt.Errorf("has the format version %d.%d, want 1.0, 2.0 or 3.0", major, minor)
	}
	// The upper two bytes stay 0 in version 1.
	if err := read(fixed[8:8+width], "the header's length"); err != nil {
		return h, 0, err
	}
	length := int64(binary.LittleEndian.Uint32(fixed[8:]))
	switch {
	case length > size-start:
		return h, 0, fmt.Errorf("truncated: the header has %d bytes, the file only %d behind its length", length, size-start)
	case length > maxHeader:
		return h, 0, fmt.Errorf("has a header of %d bytes, want at most %d", length, maxHeader)
	}
	text := make([]byte, length)
	if err := read(text, "the header"); err != nil {
		return h, 0, err
	}
	h, err = parseHeader(string(text))
	return h, start, err
}

// fill decodes len(a.Data) values from in and puts each where C order has it.
func (a *Array) fill(in io.Reader, d dtype, fortran bool) error {
	buf := make([]byte, 1<<13*d.size)
	var order *fortranOrder
	if fortran && len(a.Shape) > 1 {
		order = newFortranOrder(a.Shape)
	}
	for done := 0; done < len(a.Data); {
		count := min(len(buf)/d.size, len(a.Data)-done)
		if _, err := io.ReadFull(in, buf[:count*d.size]); err != nil {
			return fmt.Errorf("truncated or damaged: value %d of %d: %w", done, len(a.Data), err)
		}
		for i := range count {
			at := done + i
			if order != nil {
				at = order.next()
			}
			value := buf[i*d.size : (i+1)*d.size]
			if d.kind == Float {
				a.Data[at] = d.float(value)
				continue
			}
			v := d.integer(value)
			if d.unsigned && v < 0 {
				return fmt.Errorf("holds %d, above the largest int64: save it with .astype(numpy.float64)", uint64(v))
			}
			a.setInt(at, v)
		}
		done += count
	}
	return nil
}

// setInt keeps an integer. All integers move to exact with the first one that
// float32 may round, so the usual small ones take no second array.
func (a *Array) setInt(at int, v int64) {
	const exactBelow = 1 << 24
	if a.exact == nil && (v > exactBelow || v < -exactBelow) {
		a.exact = make([]int64, len(a.Data))
		for i, f := range a.Data {
			a.exact[i] = int64(f)
		}
	}
	if a.exact != nil {
		a.exact[at] = v
	}
	a.Data[at] = float32(v)
}

// fortranOrder gives, value after value of a file whose first axis is the
// fastest, the place in C order.
type fortranOrder struct {
	shape, strides, index []int
	at                    int
}

func newFortranOrder(shape []int) *fortranOrder {
	o := &fortranOrder{shape: shape, strides: make([]int, len(shape)), index: make([]int, len(shape))}
	stride := 1
	for d := len(shape) - 1; d >= 0; d-- {
		o.strides[d] = stride
		stride *= shape[d]
	}
	return o
}

func (o *fortranOrder) next() int {
	at := o.at
	for d := range o.shape {
		o.index[d]++
		o.at += o.strides[d]
		if o.index[d] < o.shape[d] {
			break
		}
		o.at -= o.index[d] * o.strides[d]
		o.index[d] = 0
	}
	return at
}
