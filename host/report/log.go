package report

import (
	"fmt"
	"strconv"
)

// logHeader is the first line of log.tsv; the seed's columns come first.
const logHeader = "steps\toverall_loss\ttime\trelevant_loss\n"

// LogLine is one step of a run.
type LogLine struct {
	Step     int64   // counts from 0
	Overall  float64 // mean loss of the forward pass before the update
	Seconds  float64 // of this step, without waiting for its data
	Relevant float64 // mean relevant loss; NaN where the task has none
}

// Log appends to a log.tsv. Losses are written with the fewest digits that read
// back as the same float64, so equal runs give equal text; seconds with six
// digits. Lines are buffered until Flush, Sync or Close.
//
// A Log is for one goroutine at a time.
type Log struct {
	tsvFile
	next int64
}

// CreateLog makes a new log with its header at path. A file that is already
// there is an error that wraps [os.ErrExist] and stays as it is.
func CreateLog(path string) (*Log, error) {
	f, err := createTSV(path, logHeader)
	if err != nil {
		return nil, err
	}
	return &Log{tsvFile: f}, nil
}

// OpenLogAt opens the log at path to continue it, and cuts off what lies beyond
// length bytes: the steps after the checkpoint that stored its Length. The file
// is changed only when it begins with the header, is at least that long and has
// the end of a line there.
func OpenLogAt(path string, length int64) (*Log, error) {
	var next int64
	f, err := openTSVAt(path, logHeader, length, func(text []byte) error {
		last, err := parseLogLine(text)
		next = last.Step + 1
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Log{f, next}, nil
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
	if err := l.write(append(b, '\n')); err != nil {
		return err
	}
	l.next++
	return nil
}

// Next is the step that [Log.Append] takes next.
func (l *Log) Next() int64 { return l.next }
