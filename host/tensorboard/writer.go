package tensorboard

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Names of event files: TensorBoard reads what has "tfevents" in its name, in
// the order of the names, which by custom begin with the second of their making.
const (
	namePrefix = "events.out.tfevents."
	nameSuffix = ".mdlstm"
	tempName   = "events.new"
)

// Scalar is a value with its name in TensorBoard, "train/overall_loss": what
// stands before the slash is a group of charts.
type Scalar struct {
	Tag   string
	Value float64 // stored as float32
}

// Writer writes one event file. Events are buffered until Flush, Sync or Close.
//
// A Writer is for one goroutine at a time.
type Writer struct {
	path string
	file *os.File
	buf  *bufio.Writer
}

// Has says whether event files of this package are in dir; none are in a folder
// that does not exist.
func Has(dir string) (bool, error) {
	last, err := lastStamp(dir)
	return last >= 0, err
}

// Create begins a new event file in dir, and makes dir where its parent exists.
// What other files in dir say of this step and later ones is void from now on.
// begin, which may be nil, writes the first events; the file gets the name by
// which TensorBoard finds it when they are on the disk. Errors name the file, and
// leave none.
func Create(dir string, step int64, begin func(*Writer) error) (*Writer, error) {
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("event files: %w", err)
	}
	last, err := lastStamp(dir)
	if err != nil {
		return nil, err
	}
	temp := filepath.Join(dir, tempName)
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, fmt.Errorf("event file: %w", err)
	}
	// Later than the files before it, even where the clock was set back.
	stamp := max(time.Now().Unix(), last+1)
	w := &Writer{path: filepath.Join(dir, fmt.Sprintf("%s%010d%s", namePrefix, stamp, nameSuffix)), file: file, buf: bufio.NewWriterSize(file, 1<<16)}
	if err := w.start(temp, step, begin); err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(temp))
	}
	return w, nil
}

// start writes what every file begins with and gives it its name.
func (w *Writer) start(temp string, step int64, begin func(*Writer) error) error {
	if err := w.event(message(nil).bytes(eventFileVersion, []byte(fileVersion))); err != nil {
		return err
	}
	session := message(nil).varint(sessionStatus, sessionStart)
	if err := w.event(message(nil).varint(eventStep, uint64(step)).bytes(eventSessionLog, session)); err != nil {
		return err
	}
	if begin != nil {
		if err := begin(w); err != nil {
			return err
		}
	}
	if err := w.Sync(); err != nil {
		return err
	}
	return os.Rename(temp, w.path)
}

// lastStamp is the second in the name of the newest event file in dir, -1 where
// there is none.
func lastStamp(dir string) (int64, error) {
	last := int64(-1)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return last, fmt.Errorf("event files: %w", err)
	}
	for _, e := range entries {
		digits, ours := strings.CutPrefix(e.Name(), namePrefix)
		digits, ends := strings.CutSuffix(digits, nameSuffix)
		if stamp, err := strconv.ParseInt(digits, 10, 64); ours && ends && err == nil {
			last = max(last, stamp)
		}
	}
	return last, nil
}

// Scalars writes values of a step. NaN, which stands for "there is none" in a
// log, is left out.
func (w *Writer) Scalars(step int64, values ...Scalar) error {
	var summary message
	for _, s := range values {
		if !math.IsNaN(s.Value) {
			summary = summary.bytes(summaryValue, scalarValue(s))
		}
	}
	if summary == nil {
		return nil
	}
	return w.event(message(nil).varint(eventStep, uint64(step)).bytes(eventSummary, summary))
}

// Image writes a picture of a step, given as a PNG file.
func (w *Writer) Image(step int64, tag string, picture []byte) error {
	size, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		return fmt.Errorf("event file %q: picture %q: %w", w.path, tag, err)
	}
	summary := message(nil).bytes(summaryValue, imageValue(tag, size.Width, size.Height, picture))
	return w.event(message(nil).varint(eventStep, uint64(step)).bytes(eventSummary, summary))
}

// event writes a record of an event's fields and the time.
func (w *Writer) event(fields message) error {
	now := float64(time.Now().UnixMicro()) / 1e6
	if err := writeRecord(w.buf, append(message(nil).double(eventWallTime, now), fields...)); err != nil {
		return fmt.Errorf("event file %q: %w", w.path, err)
	}
	return nil
}

// writeRecord frames data; the package comment has the layout.
func writeRecord(w io.Writer, data []byte) error {
	var head [12]byte
	binary.LittleEndian.PutUint64(head[:], uint64(len(data)))
	binary.LittleEndian.PutUint32(head[8:], maskedSum(head[:8]))
	for _, part := range [][]byte{head[:], data, binary.LittleEndian.AppendUint32(nil, maskedSum(data))} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedSum is the checksum of a record's parts: masked, because a CRC over data
// that hold CRCs themselves is weak.
func maskedSum(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// Flush hands what is buffered to the operating system: a reader sees it, and a
// killed process does not lose it.
func (w *Writer) Flush() error {
	if err := w.buf.Flush(); err != nil {
		return fmt.Errorf("event file %q: %w", w.path, err)
	}
	return nil
}

// Sync flushes and waits until the file is on disk.
func (w *Writer) Sync() error {
	if err := w.Flush(); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("event file %q: %w", w.path, err)
	}
	return nil
}

// Close flushes and closes the file, also when the flush fails.
func (w *Writer) Close() error { return errors.Join(w.Flush(), w.file.Close()) }
