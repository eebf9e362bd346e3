package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"mdlstm-gpu/host/train"
)

const (
	barEvery   = 100 * time.Millisecond // between two drawings of the bar
	plainEvery = 5 * time.Second        // between two plain lines
	plainParts = 10                     // or after each of so many parts of the run
	barLeast   = 6                      // columns of the bar itself, at least and at most
	barMost    = 40
	barFrame   = 10 // columns around the bar: brackets, per cent, spaces
	barText    = 64 // columns that the text wants before the bar grows
)

// progress shows a training on the standard error: a bar on a terminal, a line
// every now and then elsewhere. Its methods may run concurrently.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	bar   *progressbar.ProgressBar // nil elsewhere
	room  int                      // columns of the text beside it
	first int64                    // steps done before
	total int64                    // in all

	started, shown time.Time
	shownStep      int64
}

// newProgress begins to show steps first … total-1.
func newProgress(out io.Writer, first, total int64) *progress {
	now := time.Now()
	p := &progress{out: out, first: first, total: total, started: now, shown: now, shownStep: first}
	p.draw(terminalWidth(out))
	return p
}

// draw makes a bar where it and its text have room.
func (p *progress) draw(columns int) {
	if columns < barText {
		return
	}
	width := min(max(columns-barText-barFrame, barLeast), barMost)
	p.room = columns - width - barFrame
	p.bar = progressbar.NewOptions64(max(p.total-p.first, 1),
		progressbar.OptionSetWriter(p.out),
		progressbar.OptionSetWidth(width),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
	)
}

// terminalWidth is the width of the terminal behind w in columns, 0 where w is
// none that can draw over a line.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// step shows a step, or not when one was shown just before.
func (p *progress) step(s train.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	since := now.Sub(p.shown)
	if p.bar != nil {
		if since < barEvery {
			return
		}
		// Both draw: the count first, or the text would stand beside the old one.
		p.bar.Set64(s.Step + 1 - p.first) // an error to draw is no reason to stop training
		p.bar.Describe(p.fit(s, now))
	} else {
		part := max((p.total-p.first)/plainParts, 1)
		if since < plainEvery && s.Step+1-p.shownStep < part && s.Step+1 < p.total {
			return
		}
		fmt.Fprintln(p.out, p.text(s, now))
	}
	p.shown, p.shownStep = now, s.Step+1
}

// parts are a step in words, the most wanted first.
func (p *progress) parts(s train.Progress, now time.Time) []string {
	loss := "loss " + formatLoss(s.Loss)
	if math.IsNaN(s.Loss) {
		loss = "no target counts"
	}
	parts := []string{fmt.Sprintf("%d/%d", s.Step+1, p.total), loss}
	if !math.IsNaN(s.Relevant) {
		parts = append(parts, "relevant "+formatLoss(s.Relevant))
	}
	done, took := s.Step+1-p.first, now.Sub(p.started)
	rate, digits := float64(done)/max(took.Seconds(), 1e-9), 0
	if rate < 10 {
		digits = 1
	}
	parts = append(parts, fmt.Sprintf("%.*f steps/s", digits, rate))
	left := took / time.Duration(done) * time.Duration(p.total-p.first-done)
	return append(parts, fmt.Sprintf("%v left", left.Round(time.Second)))
}

// text is a plain line.
func (p *progress) text(s train.Progress, now time.Time) string {
	parts := p.parts(s, now)
	return "step " + strings.Join(parts[:len(parts)-1], "  ")
}

// fit is what there is room for beside the bar.
func (p *progress) fit(s train.Progress, now time.Time) string {
	text := ""
	for _, part := range p.parts(s, now) {
		if text != "" {
			part = "  " + part
		}
		if len(text)+len(part) > p.room {
			break
		}
		text += part
	}
	return text
}

// line prints a line of its own above the bar.
func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.Clear()
	}
	fmt.Fprintf(p.out, format+"\n", args...)
}

// finish takes the bar away.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.Clear()
		p.bar = nil
	}
}
