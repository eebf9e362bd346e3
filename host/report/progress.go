package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// progressTag stands in the head of a run's page, before how far the run was
// when it was drawn.
const progressTag = `<meta name="mdlstm-progress" content="`

// Progress says how far a run is that has these logs, and whether its page has a
// warning: "1000 steps, 10 validations". Pages of which [DrawnProgress] says the
// same show the same.
func Progress(log Columns, valid ValidColumns, warned bool) string {
	text := fmt.Sprintf("%d steps, %d validations", log.Len(), valid.Len())
	if warned {
		text += ", with a warning"
	}
	return text
}

// DrawnProgress reads from a page of [WriteRun] how far the run was, "" when it
// does not say. It is true whatever the times of files and the clock are.
func DrawnProgress(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	head, err := io.ReadAll(io.LimitReader(file, 4096))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	_, rest, _ := bytes.Cut(head, []byte(progressTag))
	text, _, ok := bytes.Cut(rest, []byte(`"`))
	if !ok {
		return "", nil
	}
	return string(text), nil
}
