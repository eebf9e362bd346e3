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

// logHeader is the first line of log.tsv; the seed's columns come first.
const logHeader = "steps\toverall_loss\ttime\trelevant_loss\n"

// maxLogLine bounds a line of the log in bytes. The longest that [Log.Append]
// writes is below 100.
const maxLogLine = 4096

// LogLine is one step of a run.
type LogLine struct {
	Step     int64   // counts from 0
	Overall  float64 // mean loss of the forward pass before the update
	Seconds  float64 // of this step, without making its data
	Relevant float64 // mean relevant loss; NaN where the task has none
}

// Log appends to a log.tsv. Losses are written with the fewest digits that read
// back as the same float64, so equal runs give equal text; seconds with six
// digits. Lines are buffered until [Log.Flush], [Log.Sync] or [Log.Close].
//
// A Log is for one goroutine at a time.
type Log struct {
	path   string
	file   *os.File
	buf    *bufio.Writer
	line   []byte
	length int64
	next   int64
}

// CreateLog makes a new log with its header at path. A file that is already
// there is an error that wraps [os.ErrExist] and stays as it is.
func CreateLog(path string) (*Log, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	l := &Log{path: path, file: file, buf: bufio.NewWriter(file), length: int64(len(logHeader))}
	_, err = l.buf.WriteString(logHeader)
	if err == nil {
		err = l.buf.Flush()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create log: %w", err), file.Close())
	}
	return l, nil
}

// OpenLogAt opens the log at path to continue it, and cuts off what lies beyond
// length bytes: the steps after the checkpoint that stored [Log.Length]. The
// file is changed only when it begins with the header, is at least that long
// and has the end of a line there.
func OpenLogAt(path string, length int64) (*Log, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	next, err := checkCut(file, length)
	if err == nil {
		err = file.Truncate(length)
	}
	if err == nil {
		_, err = file.Seek(length, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open log %q: %w", path, err), file.Close())
	}
	return &Log{path: path, file: file, buf: bufio.NewWriter(file), length: length, next: next}, nil
}

// checkCut says which step comes next in the log when it is cut at length.
func checkCut(file *os.File, length int64) (next int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() < length {
		return 0, fmt.Errorf("it has %d bytes, the checkpoint was written at %d: it was cut or replaced since; "+
			"put the log of this run back", info.Size(), length)
	}
	head := make([]byte, len(logHeader))
	if length < int64(len(head)) {
		return 0, fmt.Errorf("length %d of the checkpoint is shorter than the header, %d bytes", length, len(head))
	}
	if _, err := file.ReadAt(head, 0); err != nil {
		return 0, err
	}
	if string(head) != logHeader {
		return 0, fmt.Errorf("it begins with %q, want the header %q", head, logHeader)
	}

	tail := make([]byte, min(length, maxLogLine+1))
	if _, err := file.ReadAt(tail, length-int64(len(tail))); err != nil {
		return 0, err
	}
	if tail[len(tail)-1] != '\n' {
		return 0, fmt.Errorf("byte %d, where the checkpoint was written, is not the end of a line: "+
			"this is the log of another run", length)
	}
	if length == int64(len(head)) {
		return 0, nil
	}
	tail = tail[:len(tail)-1]
	last, err := parseLogLine(tail[bytes.LastIndexByte(tail, '\n')+1:])
	if err != nil {
		return 0, fmt.Errorf("the line before byte %d: %w", length, err)
	}
	return last.Step + 1, nil
}

// Append adds a step. Steps that do not follow one another from 0 are refused,
// for [ReadLog] would refuse them too.
func (l *Log) Append(line LogLine) error {
	if line.Step != l.next {
		return fmt.Errorf("log %q: step %d, want %d", l.path, line.Step, l.next)
	}
	b := strconv.AppendInt(l.line[:0], line.Step, 10)
	b = appendNumber(append(b, '\t'), line.Overall, -1)
	b = appendNumber(append(b, '\t'), line.Seconds, 6)
	b = appendNumber(append(b, '\t'), line.Relevant, -1)
	b = append(b, '\n')
	l.line = b
	if _, err := l.buf.Write(b); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	l.length += int64(len(b))
	l.next++
	return nil
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

// Length is the size of the log in bytes with all that was appended, flushed or
// not: what a checkpoint stores, after [Log.Sync].
func (l *Log) Length() int64 { return l.length }

// Next is the step that [Log.Append] takes next.
func (l *Log) Next() int64 { return l.next }

// Flush hands what is buffered to the operating system.
func (l *Log) Flush() error {
	if err := l.buf.Flush(); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}

// Sync flushes and waits until the log is on disk.
func (l *Log) Sync() error {
	if err := l.Flush(); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}

// Close flushes and closes the file, also when the flush fails.
func (l *Log) Close() error {
	return errors.Join(l.Flush(), l.file.Close())
}
