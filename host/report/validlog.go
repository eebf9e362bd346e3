package report

import (
	"fmt"
	"io"
	"strconv"

	"mdlstm-gpu/host/nn/tensorfile"
)

// validHeader is the first line of valid.tsv.
const validHeader = "steps\tvalid_loss\tvalid_error\tlabel_error\ttime\n"

// ValidLine is one validation of a run.
type ValidLine struct {
	Step       int64   // updates that the weights had seen
	Loss       float64 // mean over the validation set
	Error      float64 // share of wrong cells, 0 to 1; NaN where there are no classes
	LabelError float64 // share of wrongly labelled samples, 0 to 1; NaN where there are no labels
	Seconds    float64 // that the validation took
}

// ValidColumns is a valid.tsv by columns, all of the same length. Steps rise;
// they need not follow one another.
type ValidColumns struct {
	Steps      []int64
	Loss       []float64
	Error      []float64
	LabelError []float64
	Seconds    []float64

	// Partial counts the bytes of a last line that has no end, as a killed run
	// leaves it. That line is not in the columns.
	Partial int
}

// Len is the number of validations.
func (c ValidColumns) Len() int { return len(c.Steps) }

// Append adds a validation, as [ValidLog.Append] does on disk.
func (c *ValidColumns) Append(line ValidLine) {
	c.Steps = append(c.Steps, line.Step)
	c.Loss = append(c.Loss, line.Loss)
	c.Error = append(c.Error, line.Error)
	c.LabelError = append(c.LabelError, line.LabelError)
	c.Seconds = append(c.Seconds, line.Seconds)
}

// check refuses columns of unequal length.
func (c ValidColumns) check() error {
	n := len(c.Steps)
	if len(c.Loss) != n || len(c.Error) != n || len(c.LabelError) != n || len(c.Seconds) != n {
		return fmt.Errorf("columns of %d steps, %d losses, %d errors, %d label errors, %d times: want equal lengths",
			n, len(c.Loss), len(c.Error), len(c.LabelError), len(c.Seconds))
	}
	return nil
}

// ValidLog appends to a valid.tsv, as [Log] does to a log.tsv.
//
// A ValidLog is for one goroutine at a time.
type ValidLog struct {
	tsvFile
	last int64 // step of the last line, -1 = none
}

// CreateValidLog makes a new log with its header at path. A file that is already
// there is an error that wraps [os.ErrExist] and stays as it is.
func CreateValidLog(path string) (*ValidLog, error) {
	f, err := createTSV(path, validHeader)
	if err != nil {
		return nil, err
	}
	return &ValidLog{f, -1}, nil
}

// OpenValidLogAt opens the log at path to continue it, and cuts off what lies
// beyond length bytes, as [OpenLogAt] does.
func OpenValidLogAt(path string, length int64) (*ValidLog, error) {
	last := int64(-1)
	f, err := openTSVAt(path, validHeader, length, func(text []byte) error {
		line, err := parseValidLine(text)
		last = line.Step
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ValidLog{f, last}, nil
}

// Append adds a validation. A step that is not beyond the one before is refused,
// for [ReadValidLog] would refuse it too.
func (l *ValidLog) Append(line ValidLine) error {
	if line.Step <= l.last {
		return fmt.Errorf("log %q: step %d after step %d, want a later one", l.path, line.Step, l.last)
	}
	b := strconv.AppendInt(l.line[:0], line.Step, 10)
	b = appendNumber(append(b, '\t'), line.Loss, -1)
	b = appendNumber(append(b, '\t'), line.Error, -1)
	b = appendNumber(append(b, '\t'), line.LabelError, -1)
	b = appendNumber(append(b, '\t'), line.Seconds, 6)
	if err := l.write(append(b, '\n')); err != nil {
		return err
	}
	l.last = line.Step
	return nil
}

// ReadValidLog reads a valid.tsv. A last line without an end is left out and
// counted in [ValidColumns.Partial]; anything else that [ValidLog] would not
// write is an error with its line number.
func ReadValidLog(path string) (ValidColumns, error) {
	file, _, err := tensorfile.OpenRegular(path)
	if err != nil {
		return ValidColumns{}, fmt.Errorf("read log %q: %w", path, err)
	}
	defer file.Close()
	c, err := parseValidLog(file)
	if err != nil {
		return ValidColumns{}, fmt.Errorf("read log %q: %w", path, err)
	}
	return c, nil
}

func parseValidLog(r io.Reader) (ValidColumns, error) {
	var c ValidColumns
	partial, err := readTSV(r, validHeader, func(text []byte) error {
		line, err := parseValidLine(text)
		if err != nil {
			return err
		}
		if n := c.Len(); n > 0 && line.Step <= c.Steps[n-1] {
			return fmt.Errorf("step %d after step %d, want a later one", line.Step, c.Steps[n-1])
		}
		c.Append(line)
		return nil
	})
	if err != nil {
		return ValidColumns{}, err
	}
	c.Partial = partial
	return c, nil
}

// parseValidLine reads a line without its end.
func parseValidLine(text []byte) (line ValidLine, err error) {
	line.Step, err = parseColumns(text, column{"valid_loss", &line.Loss}, column{"valid_error", &line.Error},
		column{"label_error", &line.LabelError}, column{"time", &line.Seconds})
	return line, err
}
