package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
)

// maxLogLine bounds a line of a log in bytes. The longest that is ever written
// is below 150.
const maxLogLine = 4096

// tsvFile is a file of lines that only grows, below a header: what the logs have
// in common.
type tsvFile struct {
	path   string
	file   *os.File
	buf    *bufio.Writer
	line   []byte
	length int64
}

// createTSV makes a new file with its header.
func createTSV(path, header string) (tsvFile, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return tsvFile{}, fmt.Errorf("create log: %w", err)
	}
	f := tsvFile{path: path, file: file, buf: bufio.NewWriter(file), length: int64(len(header))}
	_, err = f.buf.WriteString(header)
	if err == nil {
		err = f.buf.Flush()
	}
	if err != nil {
		return tsvFile{}, errors.Join(fmt.Errorf("create log: %w", err), file.Close())
	}
	return f, nil
}

// openTSVAt opens a file to continue it and cuts it at length. It is changed
// only when it begins with the header, is at least that long, has the end of a
// line there, and last takes the line before, where there is one.
func openTSVAt(path, header string, length int64, last func([]byte) error) (tsvFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return tsvFile{}, fmt.Errorf("open log: %w", err)
	}
	err = checkCut(file, header, length, last)
	if err == nil {
		err = file.Truncate(length)
	}
	if err == nil {
		_, err = file.Seek(length, io.SeekStart)
	}
	if err != nil {
		return tsvFile{}, errors.Join(fmt.Errorf("open log %q: %w", path, err), file.Close())
	}
	return tsvFile{path: path, file: file, buf: bufio.NewWriter(file), length: length}, nil
}

// checkCut says whether the file can be cut at length.
func checkCut(file *os.File, header string, length int64, last func([]byte) error) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < length {
		return fmt.Errorf("it has %d bytes, the checkpoint was written at %d: it was cut or replaced since; "+
			"put the log of this run back", info.Size(), length)
	}
	head := make([]byte, len(header))
	if length < int64(len(head)) {
		return fmt.Errorf("length %d of the checkpoint is shorter than the header, %d bytes", length, len(head))
	}
	if _, err := file.ReadAt(head, 0); err != nil {
		return err
	}
	if string(head) != header {
		return fmt.Errorf("it begins with %q, want the header %q", head, header)
	}

	tail := make([]byte, min(length, maxLogLine+1))
	if _, err := file.ReadAt(tail, length-int64(len(tail))); err != nil {
		return err
	}
	if tail[len(tail)-1] != '\n' {
		return fmt.Errorf("byte %d, where the checkpoint was written, is not the end of a line: "+
			"this is the log of another run", length)
	}
	if length == int64(len(head)) {
		return nil
	}
	tail = tail[:len(tail)-1]
	if err := last(tail[bytes.LastIndexByte(tail, '\n')+1:]); err != nil {
		return fmt.Errorf("the line before byte %d: %w", length, err)
	}
	return nil
}

// write adds a line with its end.
func (f *tsvFile) write(line []byte) error {
	f.line = line
	if _, err := f.buf.Write(line); err != nil {
		return fmt.Errorf("log %q: %w", f.path, err)
	}
	f.length += int64(len(line))
	return nil
}

// Length is the size of the log in bytes with all that was appended, flushed or
// not: what a checkpoint stores, after Sync.
func (f *tsvFile) Length() int64 { return f.length }

// Flush hands what is buffered to the operating system.
func (f *tsvFile) Flush() error {
	if err := f.buf.Flush(); err != nil {
		return fmt.Errorf("log %q: %w", f.path, err)
	}
	return nil
}

// Sync flushes and waits until the log is on disk.
func (f *tsvFile) Sync() error {
	if err := f.Flush(); err != nil {
		return err
	}
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("log %q: %w", f.path, err)
	}
	return nil
}

// Close flushes and closes the file, also when the flush fails.
func (f *tsvFile) Close() error {
	return errors.Join(f.Flush(), f.file.Close())
}

// appendNumber writes v with that many digits, -1 for as many as it takes.
func appendNumber(b []byte, v float64, digits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(b, "nan"...)
	case math.IsInf(v, 1):
		return append(b, "inf"...)
	case math.IsInf(v, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, v, 'g', digits, 64)
}

// readTSV reads lines below the header and hands each to line, without its end.
// partial counts the bytes of a last line that has no end, which is left out.
func readTSV(r io.Reader, header string, line func([]byte) error) (partial int, err error) {
	buf := bufio.NewReaderSize(r, maxLogLine)
	for number := 1; ; number++ {
		text, err := buf.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return 0, fmt.Errorf("line %d: longer than %d bytes", number, maxLogLine)
		case err != nil && !errors.Is(err, io.EOF):
			return 0, err
		case number == 1:
			if string(text) != header {
				return 0, fmt.Errorf("line 1: got %s, want the header %q", quote(text), header)
			}
			continue
		case err != nil: // the end of the file, before the end of a line
			return len(text), nil
		}
		if err := line(text[:len(text)-1]); err != nil {
			return 0, fmt.Errorf("line %d: %w", number, err)
		}
	}
}

// column is a number of a line after its step.
type column struct {
	name string
	to   *float64
}

// parseColumns reads a line of a step and numbers.
func parseColumns(text []byte, columns ...column) (step int64, err error) {
	fields := bytes.Split(text, []byte{'\t'})
	if len(fields) != 1+len(columns) {
		return 0, fmt.Errorf("%d columns, want %d", len(fields), 1+len(columns))
	}
	step, err = strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil || step < 0 {
		return 0, fmt.Errorf("steps: got %s, want a whole number from 0", quote(fields[0]))
	}
	for i, c := range columns {
		if *c.to, err = strconv.ParseFloat(string(fields[i+1]), 64); err != nil {
			return 0, fmt.Errorf("%s: got %s, want a number, nan or inf", c.name, quote(fields[i+1]))
		}
	}
	return step, nil
}

// quote shows foreign text in an error, cut to a length that a person reads.
func quote(text []byte) string {
	const most = 60
	if len(text) > most {
		return strconv.Quote(string(text[:most])) + " …"
	}
	return strconv.Quote(string(text))
}
