package report

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mdlstm-gpu/host/hostile"
)

var someLines = []LogLine{
	{0, 0.1, 0.024, 0.8321},
	{1, 1.0 / 3, 1e-7, math.NaN()},
	{2, math.Inf(1), 1234.5678901, math.Inf(-1)},
	{3, 5e-324, 0, math.MaxFloat64},
	{4, 0, 3, math.Copysign(0, -1)},
	{5, math.Nextafter(0.1, 1), 0.25, float64(float32(0.1))},
}

func writeLog(t *testing.T, lines []LogLine) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log.tsv")
	l, err := CreateLog(path)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, lines)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func appendAll(t *testing.T, l *Log, lines []LogLine) {
	t.Helper()
	for _, line := range lines {
		if err := l.Append(line); err != nil {
			t.Fatal(err)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLogRoundTrip(t *testing.T) {
	path := writeLog(t, someLines)
	if text := readFile(t, path); !strings.HasPrefix(text, "steps\toverall_loss\ttime\trelevant_loss\n0\t0.1\t0.024\t0.8321\n1\t") ||
		!strings.Contains(text, "\tnan\n") {
		t.Errorf("text of the log:\n%s", text)
	}
	got, err := ReadLog(path)
	if err != nil {
		t.Fatal(err)
	}
	var want Columns
	for _, line := range someLines {
		want.Append(line)
	}
	want.Seconds[2] = 1234.57 // six digits
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("columns, -want +got:\n%s", d)
	}
	if !math.Signbit(got.Relevant[4]) {
		t.Error("-0 came back as 0")
	}
}

func TestLogLengthCountsWhatIsBuffered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.tsv")
	l, err := CreateLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	appendAll(t, l, someLines)
	if got := int64(len(readFile(t, path))); got == l.Length() {
		t.Errorf("%d bytes on disk before the flush: nothing is buffered", got)
	}
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := int64(len(readFile(t, path))); got != l.Length() {
		t.Errorf("%d bytes on disk, Length %d", got, l.Length())
	}
}

func TestResumedLogIsTheSameText(t *testing.T) {
	whole := readFile(t, writeLog(t, someLines))
	for cut := range len(someLines) + 1 {
		path := filepath.Join(t.TempDir(), "log.tsv")
		l, err := CreateLog(path)
		if err != nil {
			t.Fatal(err)
		}
		appendAll(t, l, someLines[:cut])
		stored := l.Length()
		for i := cut; i < len(someLines); i++ { // a run that went on and was killed
			appendAll(t, l, []LogLine{{int64(i), 77, 77, 77}})
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("6\t0.1"); err != nil {
			t.Fatal(err)
		}
		f.Close()

		l, err = OpenLogAt(path, stored)
		if err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		if l.Length() != stored || l.Next() != int64(cut) {
			t.Errorf("cut %d: Length %d, Next %d, want %d, %d", cut, l.Length(), l.Next(), stored, cut)
		}
		appendAll(t, l, someLines[cut:])
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if got := readFile(t, path); got != whole {
			t.Errorf("cut %d: resumed log\n%s\nuninterrupted\n%s", cut, got, whole)
		}
	}
}

func TestOpenLogAtRefusesAndKeepsTheFile(t *testing.T) {
	good := readFile(t, writeLog(t, someLines))
	for _, c := range []struct {
		name, text string
		length     int64
		want       []string
	}{
		{"shorter than stored", good, 9999, []string{"9999", "bytes", "cut or replaced"}},
		{"inside a line", good, int64(len(good)) - 3, []string{"end of a line"}},
		{"inside the header", good, 10, []string{"header"}},
		{"negative", good, -1, []string{"header"}},
		{"another header", "a" + good[1:], int64(len(good)), []string{"header"}},
		{"last line is text", logHeader + "hello\n", int64(len(logHeader) + 6), []string{"1 columns"}},
		{"last line is endless", logHeader + strings.Repeat("9", 2*maxLogLine) + "\n", int64(len(logHeader) + 2*maxLogLine + 1), []string{"columns"}},
		{"empty file", "", 0, []string{"header"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.tsv")
			if err := os.WriteFile(path, []byte(c.text), 0o666); err != nil {
				t.Fatal(err)
			}
			l, err := OpenLogAt(path, c.length)
			if err == nil {
				l.Close()
				t.Fatal("no error")
			}
			for _, w := range append(c.want, path) {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not name %q", err, w)
				}
			}
			if readFile(t, path) != c.text {
				t.Error("the refused file was changed")
			}
		})
	}
	if _, err := OpenLogAt(filepath.Join(t.TempDir(), "none"), 9); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestCreateLogKeepsAnExistingFile(t *testing.T) {
	path := writeLog(t, someLines)
	before := readFile(t, path)
	if _, err := CreateLog(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v, want an error that wraps ErrExist", err)
	}
	if readFile(t, path) != before {
		t.Error("the existing log was changed")
	}
}

func TestAppendRefusesAStepOutOfTurn(t *testing.T) {
	l, err := CreateLog(filepath.Join(t.TempDir(), "log.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, step := range []int64{1, -1} {
		if err := l.Append(LogLine{Step: step}); err == nil {
			t.Errorf("step %d was taken as the first", step)
		}
	}
	if l.Length() != int64(len(logHeader)) {
		t.Errorf("Length %d after refused lines", l.Length())
	}
}

func TestReadHostileLogs(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		steps, partial   int
	}{
		{name: "header only", text: logHeader},
		{name: "partial line", text: logHeader + "0\t1\t2\t3\n1\t0.00", steps: 1, partial: 6},
		{name: "complete but for its end", text: logHeader + "0\t1\t2\t3", partial: 7},
		{name: "empty", text: "", want: "line 1"},
		{name: "header without its end", text: strings.TrimSpace(logHeader), want: "line 1"},
		{name: "other header", text: "step\tloss\n", want: "line 1"},
		{name: "carriage returns", text: logHeader + "0\t1\t2\t3\r\n", want: "line 2: relevant_loss"},
		{name: "blank line", text: logHeader + "0\t1\t2\t3\n\n1\t1\t2\t3\n", want: "line 3"},
		{name: "five columns", text: logHeader + "0\t1\t2\t3\t4\n", want: "line 2: 5 columns"},
		{name: "text", text: logHeader + "0\tone\t2\t3\n", want: `line 2: overall_loss: got "one"`},
		{name: "empty number", text: logHeader + "0\t1\t\t3\n", want: "line 2: time"},
		{name: "beyond float64", text: logHeader + "0\t1e999\t2\t3\n", want: "line 2: overall_loss"},
		{name: "negative step", text: logHeader + "-1\t1\t2\t3\n", want: "line 2: steps"},
		{name: "huge step", text: logHeader + "99999999999999999999\t1\t2\t3\n", want: "line 2: steps"},
		{name: "a step twice", text: logHeader + "0\t1\t2\t3\n0\t1\t2\t3\n", want: "line 3: step 0, want 1"},
		{name: "a step missing", text: logHeader + "0\t1\t2\t3\n2\t1\t2\t3\n", want: "line 3: step 2, want 1"},
		{name: "zero bytes after a crash", text: logHeader + strings.Repeat("\x00", 100) + "\n", want: "line 2"},
		{name: "long foreign text", text: strings.Repeat("x", 4000) + "\n", want: "line 1"},
		{name: "long foreign number", text: logHeader + "0\t" + strings.Repeat("x", 4000) + "\t1\t1\n", want: "line 2: overall_loss"},
		{name: "endless line", text: logHeader + strings.Repeat("1", 1<<16), want: "line 2: longer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.tsv")
			if err := os.WriteFile(path, []byte(c.text), 0o666); err != nil {
				t.Fatal(err)
			}
			got, err := ReadLog(path)
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "":
				if got.Len() != c.steps || got.Partial != c.partial {
					t.Errorf("%d steps and %d partial bytes, want %d and %d", got.Len(), got.Partial, c.steps, c.partial)
				}
			case err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path):
				t.Errorf("got error %v, want one with %q and the path", err, c.want)
			case len(err.Error()) > 500+len(path):
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestLogThatIsNoFile: opening a pipe would wait for its writer.
func TestLogThatIsNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.tsv")
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Skip(err)
	}
	_, err := ReadLog(path)
	hostile.OneLine(t, err, "read log "+strconv.Quote(path)+": not a regular file")
	_, err = ReadValidLog(path)
	hostile.OneLine(t, err, "read log "+strconv.Quote(path)+": not a regular file")
}

// FuzzParseLog: an error of one line, or at most as many steps as there are
// lines, in memory in proportion.
func FuzzParseLog(f *testing.F) {
	f.Add([]byte(logHeader + "0\t1\t2\t3\n1\tnan\tinf\t-0\n"))
	f.Add([]byte(logHeader + "0\t0x1p-2\t2\t3\n1\t"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c Columns
		var err error
		hostile.Allocates(t, 1<<20+64*int64(len(text)), func() { c, err = parseLog(bytes.NewReader(text)) })
		if err != nil {
			hostile.OneLine(t, err, "")
			return
		}
		if err := c.check(); err != nil {
			t.Error(err)
		}
		if c.Len() > bytes.Count(text, []byte("\n")) {
			t.Errorf("%d steps in %d lines", c.Len(), bytes.Count(text, []byte("\n")))
		}
	})
}
