package train

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The kinds of schedules.
const (
	ScheduleConstant = "constant"
	ScheduleStep     = "step"
	ScheduleCosine   = "cosine"
)

// Schedules lists the kinds.
var Schedules = []string{ScheduleConstant, ScheduleStep, ScheduleCosine}

// Schedule says how the learning rate changes over a run. The zero value keeps it.
type Schedule struct {
	// Kind is one of [Schedules]; empty means constant.
	Kind string `json:"kind,omitempty"`
	// Warmup is the number of steps over which the rate rises in a line to what
	// it is to be: step t < Warmup has (t+1)/Warmup of it.
	Warmup int64 `json:"warmup,omitempty"`

	// Of step: the rate is multiplied by Gamma every so many steps, or at each of
	// the steps At; one of them is set.
	Every int64   `json:"every,omitempty"`
	At    []int64 `json:"at,omitempty"`
	Gamma float64 `json:"gamma,omitempty"`

	// End is the share of the rate that cosine falls to at the end of the run.
	End float64 `json:"end,omitempty"`
}

// RateAt is the learning rate of a step, a pure function of it and the settings.
// A cosine falls from the end of the warm-up to step Steps, so a run that is
// extended follows the longer curve from there on.
func (s *Settings) RateAt(step int64) float64 {
	c := s.Schedule
	if step < c.Warmup {
		return s.LR * float64(step+1) / float64(c.Warmup)
	}
	switch c.Kind {
	case ScheduleStep:
		drops := int64(0)
		if c.Every > 0 {
			drops = step / c.Every
		}
		for _, at := range c.At {
			if step >= at {
				drops++
			}
		}
		return s.LR * math.Pow(c.Gamma, float64(drops))
	case ScheduleCosine:
		done := float64(step-c.Warmup) / float64(s.Steps-c.Warmup)
		return s.LR * (c.End + (1-c.End)*(1+math.Cos(math.Pi*done))/2)
	}
	return s.LR
}

// String says what the schedule does: "cosine to 0.01, 100 steps of warm-up".
func (c Schedule) String() string {
	text := c.Kind
	switch c.Kind {
	case "":
		text = ScheduleConstant
	case ScheduleStep:
		text = fmt.Sprintf("times %v every %d steps", c.Gamma, c.Every)
		if c.At != nil {
			text = fmt.Sprintf("times %v at steps %s", c.Gamma, joinInts(c.At, ", "))
		}
	case ScheduleCosine:
		text = fmt.Sprintf("cosine to %v of it", c.End)
	}
	if c.Warmup > 0 {
		text += fmt.Sprintf(", %d steps of warm-up", c.Warmup)
	}
	return text
}

// validate refuses a schedule that cannot be followed. A warm-up may be longer than
// the run.
func (c Schedule) validate() error {
	bad := func(flag string, value any, problem string) error {
		return &SettingError{Flag: flag, Value: fmt.Sprint(value), Problem: problem}
	}
	kind := c.Kind
	if kind == "" {
		kind = ScheduleConstant
	}
	rising := true
	for i := 1; i < len(c.At); i++ {
		rising = rising && c.At[i-1] < c.At[i]
	}
	switch {
	case !slices.Contains(Schedules, kind):
		return bad("--schedule", strconv.Quote(c.Kind), "must be "+strings.Join(Schedules, ", "))
	case c.Warmup < 0:
		return bad("--warmup", c.Warmup, "must not be negative")
	case kind != ScheduleStep && (c.Every != 0 || c.At != nil):
		return bad("--lr-step", lrStep(c), "goes with --schedule step")
	case kind != ScheduleStep && c.Gamma != 0:
		return bad("--lr-gamma", c.Gamma, "goes with --schedule step")
	case kind == ScheduleStep && (c.Every == 0) == (c.At == nil):
		return bad("--schedule", "step", "needs --lr-step, after how many steps, or at which, the rate falls")
	case c.Every < 0:
		return bad("--lr-step", c.Every, "must be at least 1 step")
	case c.At != nil && (len(c.At) == 0 || c.At[0] < 1 || !rising):
		return bad("--lr-step", joinInts(c.At, ","), "must be rising numbers of steps, 1 or more")
	case kind == ScheduleStep && !(c.Gamma > 0 && c.Gamma <= 1):
		return bad("--lr-gamma", c.Gamma, "must be above 0 and at most 1")
	case kind != ScheduleCosine && c.End != 0:
		return bad("--lr-end", c.End, "goes with --schedule cosine")
	case !(c.End >= 0 && c.End <= 1):
		return bad("--lr-end", c.End, "must be a share of the learning rate, 0 to 1")
	}
	return nil
}

// ParseLRStep reads --lr-step: "100" is every so many steps, "100,150" at these.
func ParseLRStep(text string) (every int64, at []int64, err error) {
	for _, part := range strings.Split(text, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
		if err != nil || n < 1 {
			return 0, nil, &SettingError{Flag: "--lr-step", Value: strconv.Quote(text), Problem: "must be a number of steps, such as 100, or a list, such as 100,150"}
		}
		at = append(at, n)
	}
	if len(at) == 1 {
		return at[0], nil, nil
	}
	return 0, at, nil
}

// lrStep is what ParseLRStep reads.
func lrStep(c Schedule) string {
	if c.At != nil {
		return joinInts(c.At, ",")
	}
	return strconv.FormatInt(c.Every, 10)
}

func joinInts(list []int64, separator string) string {
	var parts []string
	for _, n := range list {
		parts = append(parts, strconv.FormatInt(n, 10))
	}
	return strings.Join(parts, separator)
}
