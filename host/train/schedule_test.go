package train

import (
	"errors"
	"math"
	"testing"

	"mdlstm-gpu/host/engine/enginetest/approx"
)

func TestRateAt(t *testing.T) {
	half := math.Sqrt2 / 2
	for _, c := range []struct {
		name     string
		schedule Schedule
		want     map[int64]float64 // shares of the rate, of 100 steps
	}{
		{"constant", Schedule{}, map[int64]float64{0: 1, 99: 1}},
		{"warm-up", Schedule{Kind: ScheduleConstant, Warmup: 4}, map[int64]float64{0: 0.25, 1: 0.5, 3: 1, 4: 1, 99: 1}},
		{"every 10 steps", Schedule{Kind: ScheduleStep, Every: 10, Gamma: 0.5}, map[int64]float64{0: 1, 9: 1, 10: 0.5, 19: 0.5, 20: 0.25, 99: 1.0 / 512}},
		{"at steps", Schedule{Kind: ScheduleStep, At: []int64{50, 75}, Gamma: 0.1}, map[int64]float64{0: 1, 49: 1, 50: 0.1, 75: 0.01, 99: 0.01}},
		{"cosine", Schedule{Kind: ScheduleCosine}, map[int64]float64{0: 1, 25: 0.5 + half/2, 50: 0.5, 75: 0.5 - half/2, 100: 0}},
		{"cosine to a tenth", Schedule{Kind: ScheduleCosine, End: 0.1}, map[int64]float64{0: 1, 50: 0.55, 100: 0.1}},
		{"longer than the run", Schedule{Kind: ScheduleCosine, Warmup: 200}, map[int64]float64{0: 0.005, 99: 0.5}},
		{"warm-up and cosine", Schedule{Kind: ScheduleCosine, Warmup: 20}, map[int64]float64{0: 0.05, 19: 1, 20: 1, 60: 0.5, 100: 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testSettings()
			s.Steps, s.LR, s.Schedule = 100, 0.2, c.schedule
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			for step, share := range c.want {
				// Measured: 6e-17.
				if _, err := approx.Compare("rate", nil, []float64{s.RateAt(step)}, []float64{0.2 * share}, approx.Tolerance{Abs: 6e-16}); err != nil {
					t.Errorf("step %d: %v", step, err)
				}
			}
		})
	}
}

func TestScheduleRefuses(t *testing.T) {
	for _, c := range []struct {
		schedule Schedule
		want     string
	}{
		{Schedule{Kind: "linear"}, `--schedule "linear": must be constant, step, cosine`},
		{Schedule{Warmup: -1}, "--warmup -1"},
		{Schedule{Every: 3}, "--lr-step 3: goes with --schedule step"},
		{Schedule{Kind: ScheduleCosine, At: []int64{2, 3}}, "--lr-step 2,3: goes"},
		{Schedule{Gamma: 0.5}, "--lr-gamma 0.5: goes with --schedule step"},
		{Schedule{Kind: ScheduleStep, Gamma: 0.1}, "--schedule step: needs --lr-step"},
		{Schedule{Kind: ScheduleStep, Gamma: 0.1, Every: -2}, "--lr-step -2"},
		{Schedule{Kind: ScheduleStep, Gamma: 0.1, At: []int64{5, 4}}, "--lr-step 5,4: must be rising"},
		{Schedule{Kind: ScheduleStep, Gamma: 0.1, At: []int64{4, 4}}, "--lr-step 4,4: must be rising"},
		{Schedule{Kind: ScheduleStep, Gamma: 0.1, At: []int64{0, 4}}, "--lr-step 0,4"},
		{Schedule{Kind: ScheduleStep, Every: 2}, "--lr-gamma 0"},
		{Schedule{Kind: ScheduleStep, Every: 2, Gamma: math.NaN()}, "--lr-gamma NaN"},
		{Schedule{Kind: ScheduleStep, Every: 2, Gamma: 0.5, End: 0.1}, "--lr-end 0.1: goes with --schedule cosine"},
		{Schedule{Kind: ScheduleCosine, End: 1.5}, "--lr-end 1.5"},
	} {
		s := testSettings()
		s.Schedule = c.schedule
		err := s.Validate()
		wantMessage(t, err, nil, c.want)
		if setting := (*SettingError)(nil); !errors.As(err, &setting) {
			t.Errorf("%s: %T is no SettingError", c.want, err)
		}
	}
}

func TestParseLRStep(t *testing.T) {
	if every, at, err := ParseLRStep("100"); every != 100 || at != nil || err != nil {
		t.Errorf("got %d, %v, %v", every, at, err)
	}
	if every, at, err := ParseLRStep("100, 150"); every != 0 || len(at) != 2 || at[1] != 150 || err != nil {
		t.Errorf("got %d, %v, %v", every, at, err)
	}
	for _, bad := range []string{"", "0", "-3", "1,x", "1,,2", "1.5"} {
		_, _, err := ParseLRStep(bad)
		wantMessage(t, err, nil, "--lr-step")
	}
}

func TestScheduleString(t *testing.T) {
	for want, c := range map[string]Schedule{
		"constant": {},
		"times 0.1 every 30 steps, 5 steps of warm-up": {Kind: ScheduleStep, Every: 30, Gamma: 0.1, Warmup: 5},
		"times 0.5 at steps 10, 20":                    {Kind: ScheduleStep, At: []int64{10, 20}, Gamma: 0.5},
		"cosine to 0.01 of it":                         {Kind: ScheduleCosine, End: 0.01},
	} {
		if got := c.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
