package train

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettingsRoundTrip(t *testing.T) {
	want := testSettings()
	want.Init, want.LR, want.Clip, want.Seed = "a model.safetensors", 1e-300, 0.1, math.MaxUint64
	want.Schedule, want.Accumulate = Schedule{Kind: ScheduleStep, At: []int64{2, 4}, Gamma: 0.5, Warmup: 1}, 3
	want.ValidEvery, want.Patience = 5, 6
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseSettings(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestParseSettingsRefuses(t *testing.T) {
	good, err := json.Marshal(testSettings())
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string {
		text := strings.Replace(string(good), old, new, 1)
		if text == string(good) {
			t.Fatalf("%q is not in %s", old, good)
		}
		return text
	}
	for name, c := range map[string]struct{ text, part string }{
		"nothing":           {"", "EOF"},
		"null model":        {`{"model": null}`, "model"},
		"no model":          {`{"task": "diagonal"}`, "model"},
		"unknown key":       {replace(`"lr"`, `"learning"`), "learning"},
		"unknown model key": {replace(`"hidden"`, `"hiden"`), "hiden"},
		"wrong type":        {replace(`"steps":7`, `"steps":"7"`), "steps"},
		"fraction":          {replace(`"steps":7`, `"steps":7.5`), "steps"},
		"impossible":        {replace(`"lr":0.1`, `"lr":-1`), "--lr -1"},
		"two objects":       {string(good) + "{}", "behind"},
		"truncated":         {string(good[:len(good)-1]), "EOF"},
		"a list":            {"[]", "array"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSettings([]byte(c.text))
			wantMessage(t, err, nil, c.part)
		})
	}
}

func TestValidateNamesTheFlag(t *testing.T) {
	for _, c := range []struct {
		want  string
		spoil func(*Settings)
	}{
		{`--task ""`, func(s *Settings) { s.Task = "" }},
		{"--batch 0", func(s *Settings) { s.Batch = 0 }},
		{"--steps -1", func(s *Settings) { s.Steps = -1 }},
		{`--optimizer "rmsprop": must be adam or sgd`, func(s *Settings) { s.Optimizer = "rmsprop" }},
		{"--lr -1: must be a positive number", func(s *Settings) { s.LR = -1 }},
		{"--lr 0", func(s *Settings) { s.LR = 0 }},
		{"--lr NaN", func(s *Settings) { s.LR = math.NaN() }},
		{"--lr +Inf", func(s *Settings) { s.LR = math.Inf(1) }},
		{"--momentum 1", func(s *Settings) { s.Optimizer, s.Momentum = "sgd", 1 }},
		{"--momentum -0.1", func(s *Settings) { s.Optimizer, s.Momentum = "sgd", -0.1 }},
		{"--momentum NaN", func(s *Settings) { s.Optimizer, s.Momentum = "sgd", math.NaN() }},
		{"--momentum 0.9: must be 0 with --optimizer adam", func(s *Settings) { s.Momentum = 0.9 }},
		{"--clip -2", func(s *Settings) { s.Clip = -2 }},
		{"--clip NaN", func(s *Settings) { s.Clip = math.NaN() }},
		{"--clip +Inf", func(s *Settings) { s.Clip = math.Inf(1) }},
		{"--checkpoint-every -3", func(s *Settings) { s.CheckpointEvery = -3 }},
		{"--accumulate -1", func(s *Settings) { s.Accumulate = -1 }},
		{"--valid-every -1", func(s *Settings) { s.ValidEvery = -1 }},
		{"--patience -1", func(s *Settings) { s.Patience = -1 }},
		{"--threads -4", func(s *Settings) { s.Threads = -4 }},
	} {
		s := testSettings()
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		c.spoil(&s)
		err := s.Validate()
		wantMessage(t, err, nil, c.want)
		if setting := (*SettingError)(nil); !errors.As(err, &setting) {
			t.Errorf("%s: %T is no SettingError", c.want, err)
		}
	}
	s := testSettings()
	s.Model.Head.Units = 0
	wantMessage(t, s.Validate(), nil, "units")
}

func TestReadRecordRefuses(t *testing.T) {
	r := newRun(t, testSettings())
	good, err := os.ReadFile(r.path(configName))
	if err != nil {
		t.Fatal(err)
	}
	for old, new := range map[string]string{
		recordFormat:    "mdlstm-run-2",
		`"data_sha256"`: `"sha"`,
		`"lr": 0.1`:     `"lr": 0`,
	} {
		text := strings.Replace(string(good), old, new, 1)
		if text == string(good) {
			t.Fatalf("%q is not in %s", old, good)
		}
		if err := os.WriteFile(r.path(configName), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := ReadRecord(r.Dir())
		wantMessage(t, err, nil, r.path(configName))
	}
	_, err = ReadRecord(t.TempDir())
	wantMessage(t, err, os.ErrNotExist, configName)
}
