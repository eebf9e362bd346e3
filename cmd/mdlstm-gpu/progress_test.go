package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"mdlstm-gpu/host/train"
)

func TestProgressPlain(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, 1000, 2000)
	for step := int64(1000); step < 2000; step++ {
		p.step(train.Progress{Step: step, Steps: 2000, Loss: 0.5, Relevant: math.NaN()})
	}
	p.line("a %s", "note")
	p.finish()
	lines := strings.Split(out.String(), "\n")
	if len(lines) != plainParts+2 {
		t.Fatalf("got %d lines, want %d: %q", len(lines), plainParts+2, lines)
	}
	if !strings.HasPrefix(lines[0], "step 1100/2000  loss 0.5  ") || !strings.HasSuffix(lines[0], " steps/s") {
		t.Errorf("got %q", lines[0])
	}
	if !strings.HasPrefix(lines[plainParts-1], "step 2000/2000 ") || lines[plainParts] != "a note" {
		t.Errorf("got %q, want the last step and the note", lines[plainParts-1:])
	}
}

// TestProgressWithoutTargets: a step of ignored cells has no loss.
func TestProgressWithoutTargets(t *testing.T) {
	p := &progress{total: 4}
	if got, want := p.text(train.Progress{Loss: math.NaN(), Relevant: math.NaN()}, time.Unix(1, 0)), "step 1/4  no target counts  "; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q first", got, want)
	}
}

// TestProgressFits: the text beside the bar keeps to its room, the most wanted
// first.
func TestProgressFits(t *testing.T) {
	start := time.Unix(0, 0)
	p := &progress{total: 100000, started: start}
	s := train.Progress{Step: 999, Loss: 0.0145, Relevant: 0.000867}
	for _, c := range []struct {
		room int
		want string
	}{
		{100, "1000/100000  loss 0.0145  relevant 0.000867  500 steps/s  3m18s left"},
		{60, "1000/100000  loss 0.0145  relevant 0.000867  500 steps/s"},
		{45, "1000/100000  loss 0.0145  relevant 0.000867"},
		{25, "1000/100000  loss 0.0145"},
		{5, ""},
	} {
		p.room = c.room
		if got := p.fit(s, start.Add(2*time.Second)); got != c.want {
			t.Errorf("room for %d: got %q, want %q", c.room, got, c.want)
		}
	}
	if got, want := p.text(s, start.Add(200*time.Second)), "step 1000/100000  loss 0.0145  relevant 0.000867  5.0 steps/s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestProgressBarShowsOneStep: the percentage and the text beside it are of the
// same step.
func TestProgressBarShowsOneStep(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, 0, 2000)
	p.draw(100)
	for _, step := range []int64{499, 1019, 1172} {
		p.shown = time.Time{} // long ago
		p.step(train.Progress{Step: step, Loss: 0.5, Relevant: math.NaN()})
	}
	drawn := strings.Split(out.String(), "\r")
	last := drawn[len(drawn)-1]
	if !strings.HasPrefix(last, "1173/2000  loss 0.5") || !strings.Contains(last, " 58% ") {
		t.Errorf("got %q, want step 1173 of 2000 beside 58%%", last)
	}
}

func TestFormatMillis(t *testing.T) {
	for _, c := range []struct {
		seconds float64
		want    string
	}{
		{0.000486, "0.486 ms"}, {0.216, "216 ms"}, {0.9994, "999 ms"}, {0.9996, "1 s"}, {3.124, "3.12 s"}, {999.6, "1000 s"}, {4321, "4321 s"},
	} {
		if got := formatMillis(c.seconds); got != c.want {
			t.Errorf("%g seconds: %q, want %q", c.seconds, got, c.want)
		}
	}
}
