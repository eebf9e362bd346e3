package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// Columns is a log by columns, all of the same length. Relevant holds NaN where
// the task has no relevant loss.
type Columns struct {
	Steps    []int64
	Overall  []float64
	Seconds  []float64
	Relevant []float64

	// Partial counts the bytes of a last line that has no end, as a killed run
	// leaves it. That line is not in the columns.
	Partial int
}

// Len is the number of steps.
func (c Columns) Len() int { return len(c.Steps) }

// Append adds a step, as [Log.Append] does on disk.
func (c *Columns) Append(line LogLine) {
	c.Steps = append(c.Steps, line.Step)
	c.Overall = append(c.Overall, line.Overall)
	c.Seconds = append(c.Seconds, line.Seconds)
	c.Relevant = append(c.Relevant, line.Relevant)
}

// check refuses columns of unequal length.
func (c Columns) check() error {
	n := len(c.Steps)
	if len(c.Overall) != n || len(c.Seconds) != n || len(c.Relevant) != n {
		return fmt.Errorf("columns of %d steps, %d overall losses, %d times, %d relevant losses: want equal lengths",
			n, len(c.Overall), len(c.Seconds), len(c.Relevant))
	}
	return nil
}

// ReadLog reads a log.tsv. A last line without an end is left out and counted in
// [Columns.Partial]; anything else that [Log] would not write is an error with
// its line number.
func ReadLog(path string) (Columns, error) {
	file, err := os.Open(path)
	if err != nil {
		return Columns{}, fmt.Errorf("read log: %w", err)
	}
	defer file.Close()
	c, err := parseLog(file)
	if err != nil {
		return Columns{}, fmt.Errorf("read log %q: %w", path, err)
	}
	return c, nil
}

func parseLog(r io.Reader) (Columns, error) {
	var c Columns
	buf := bufio.NewReaderSize(r, maxLogLine)
	for number := 1; ; number++ {
		text, err := buf.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return Columns{}, fmt.Errorf("line %d: longer than %d bytes", number, maxLogLine)
		case err != nil && !errors.Is(err, io.EOF):
			return Columns{}, err
		case number == 1:
			if string(text) != logHeader {
				return Columns{}, fmt.Errorf("line 1: got %s, want the header %q", quote(text), logHeader)
			}
			continue
		case err != nil: // the end of the file, before the end of a line
			c.Partial = len(text)
			return c, nil
		}
		line, err := parseLogLine(text[:len(text)-1])
		if err != nil {
			return Columns{}, fmt.Errorf("line %d: %w", number, err)
		}
		if want := int64(c.Len()); line.Step != want {
			return Columns{}, fmt.Errorf("line %d: step %d, want %d", number, line.Step, want)
		}
		c.Append(line)
	}
}

// parseLogLine reads a line without its end.
func parseLogLine(text []byte) (LogLine, error) {
	fields := bytes.Split(text, []byte{'\t'})
	if len(fields) != 4 {
		return LogLine{}, fmt.Errorf("%d columns, want 4", len(fields))
	}
	step, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil || step < 0 {
		return LogLine{}, fmt.Errorf("steps: got %s, want a whole number from 0", quote(fields[0]))
	}
	line := LogLine{Step: step}
	for i, column := range []struct {
		name string
		to   *float64
	}{{"overall_loss", &line.Overall}, {"time", &line.Seconds}, {"relevant_loss", &line.Relevant}} {
		if *column.to, err = strconv.ParseFloat(string(fields[i+1]), 64); err != nil {
			return LogLine{}, fmt.Errorf("%s: got %s, want a number, nan or inf", column.name, quote(fields[i+1]))
		}
	}
	return line, nil
}

// quote shows foreign text in an error, cut to a length that a person reads.
func quote(text []byte) string {
	const most = 60
	if len(text) > most {
		return strconv.Quote(string(text[:most])) + " …"
	}
	return strconv.Quote(string(text))
}
