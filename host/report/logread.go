package report

import (
	"fmt"
	"io"

	"mdlstm-gpu/host/nn/tensorfile"
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
	file, _, err := tensorfile.OpenRegular(path)
	if err != nil {
		return Columns{}, fmt.Errorf("read log %q: %w", path, err)
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
	partial, err := readTSV(r, logHeader, func(text []byte) error {
		line, err := parseLogLine(text)
		if err != nil {
			return err
		}
		if want := int64(c.Len()); line.Step != want {
			return fmt.Errorf("step %d, want %d", line.Step, want)
		}
		c.Append(line)
		return nil
	})
	if err != nil {
		return Columns{}, err
	}
	c.Partial = partial
	return c, nil
}

// parseLogLine reads a line without its end.
func parseLogLine(text []byte) (line LogLine, err error) {
	line.Step, err = parseColumns(text,
		column{"overall_loss", &line.Overall}, column{"time", &line.Seconds}, column{"relevant_loss", &line.Relevant})
	return line, err
}
