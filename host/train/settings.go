package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
)

// Settings are all that decides a run: together with the engine and the data
// they fix every bit of it. They are stored in config.json and in every
// checkpoint. Zero values are not defaults, see [DefaultSettings].
type Settings struct {
	// Name is what the user called the model, "MD_LSTM"; it names the run.
	Name string `json:"name"`
	// Model is the architecture, head and loss.
	Model nn.Config `json:"model"`
	// Init is the model file that the first parameters came from; empty when
	// they were drawn from Seed.
	Init string `json:"init,omitempty"`

	// Task names the data; Data are the task's own settings, flag name to value.
	Task string            `json:"task"`
	Data map[string]string `json:"data"`

	Batch int `json:"batch"` // samples a batch
	// Accumulate is how many batches a step has, whose gradients are those of one
	// large batch; 0 means 1.
	Accumulate int   `json:"accumulate,omitempty"`
	Steps      int64 `json:"steps"` // in all, not from here on

	Optimizer engine.Optimizer `json:"optimizer"` // "adam", "sgd"
	LR        float64          `json:"lr"`
	Schedule  Schedule         `json:"schedule,omitzero"`
	Momentum  float64          `json:"momentum"` // sgd only
	Clip      float64          `json:"clip"`     // largest norm of all gradients, 0 = off
	Seed      uint64           `json:"seed"`

	// CheckpointEvery is the number of steps between checkpoints; 0 means only
	// one at the end. The end always has one.
	CheckpointEvery int64 `json:"checkpoint_every"`

	// ValidEvery is the number of steps between validations where there are data
	// for it; 0 means one an epoch, or only one at the end where the task has no
	// epochs. The end always has one.
	ValidEvery int64 `json:"valid_every,omitempty"`
	// Patience ends the run after so many validations without a better one; 0
	// means never.
	Patience int64 `json:"patience,omitempty"`

	// TensorBoard writes what the logs say also as event files.
	TensorBoard bool `json:"tensorboard,omitempty"`

	Device  string `json:"device"`  // "auto", "cpu", "gpu": as asked for
	Threads int    `json:"threads"` // 0 = all cores

	Recompute bool `json:"recompute,omitempty"` // gates, instead of keeping them

	Precision string `json:"precision,omitempty"` // of the GPU's products; "" = float32
}

// DefaultSettings are the seed experiment's: Adam at 0.01, 1000 steps of 16
// samples, no clipping. Name, Model, Task and Data are left to the caller.
func DefaultSettings() Settings {
	return Settings{
		Batch:           16,
		Steps:           1000,
		Optimizer:       engine.Adam,
		LR:              0.01,
		CheckpointEvery: 100,
		Device:          "auto",
	}
}

// Validate refuses what cannot be trained with. The error is a *[SettingError]
// that names the flag, or the model's own.
func (s *Settings) Validate() error {
	bad := func(flag string, value any, problem string) error {
		return &SettingError{Flag: flag, Value: fmt.Sprint(value), Problem: problem}
	}
	switch {
	case s.Task == "":
		return bad("--task", `""`, "must name the data to train on")
	case s.Batch < 1:
		return bad("--batch", s.Batch, "must be at least 1 sample")
	case s.Accumulate < 0 || s.Accumulate > maxAccumulate:
		return bad("--accumulate", s.Accumulate, fmt.Sprintf("must be 1 to %d batches", maxAccumulate))
	case s.Steps < 0:
		return bad("--steps", s.Steps, "must not be negative")
	case s.Optimizer != engine.Adam && s.Optimizer != engine.SGD:
		return bad("--optimizer", strconv.Quote(string(s.Optimizer)), "must be adam or sgd")
	case !(s.LR > 0) || math.IsInf(s.LR, 0):
		return bad("--lr", s.LR, "must be a positive number")
	case !(s.Momentum >= 0 && s.Momentum < 1):
		return bad("--momentum", s.Momentum, "must be at least 0 and below 1")
	case s.Momentum != 0 && s.Optimizer != engine.SGD:
		return bad("--momentum", s.Momentum, fmt.Sprintf("must be 0 with --optimizer %s: only sgd uses it", s.Optimizer))
	case !(s.Clip >= 0) || math.IsInf(s.Clip, 0):
		return bad("--clip", s.Clip, "must be a positive number, or 0 for no clipping")
	case s.CheckpointEvery < 0:
		return bad("--checkpoint-every", s.CheckpointEvery, "must not be negative (0 = only at the end)")
	case s.ValidEvery < 0:
		return bad("--valid-every", s.ValidEvery, "must not be negative (0 = once an epoch)")
	case s.Patience < 0:
		return bad("--patience", s.Patience, "must not be negative (0 = never stop early)")
	case s.Threads < 0:
		return bad("--threads", s.Threads, "must not be negative (0 = all cores)")
	}
	if err := s.Schedule.validate(); err != nil {
		return err
	}
	return s.Model.Validate()
}

// maxAccumulate bounds the batches of a step: all of them are in memory.
const maxAccumulate = 1 << 16

// batches is how many batches a step has.
func (s *Settings) batches() int64 { return int64(max(1, s.Accumulate)) }

// ParseSettings reads settings from JSON. Unknown keys, wrong types, values
// that [Settings.Validate] refuses and anything behind the object are errors.
func ParseSettings(data []byte) (Settings, error) {
	var s Settings
	if err := strictJSON(data, &s); err != nil {
		return Settings{}, fmt.Errorf("settings: %w", err)
	}
	if err := s.Validate(); err != nil {
		return Settings{}, fmt.Errorf("settings: %w", err)
	}
	return s, nil
}

// UnmarshalJSON decodes settings strictly, the model as [nn.ParseConfig] does.
func (s *Settings) UnmarshalJSON(data []byte) error {
	type plain Settings // without this method
	raw := struct {
		*plain
		Model json.RawMessage `json:"model"` // hides plain's
	}{plain: (*plain)(s)}
	if err := strictJSON(data, &raw); err != nil {
		return err
	}
	if raw.Model == nil {
		return errors.New(`key "model" is missing`)
	}
	var err error
	if s.Model, err = nn.ParseConfig(raw.Model); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}

// strictJSON decodes exactly one value, with no unknown keys, into dst.
func strictJSON(data []byte, dst any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(dst); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more data behind the JSON value")
	}
	return nil
}

// Changes are what may differ when a run is continued; nil leaves a setting as
// it was. Nothing else may, or the run would not be the one that was started.
type Changes struct {
	Steps           *int64
	CheckpointEvery *int64
	Patience        *int64
	TensorBoard     *bool
	Device          *string
	Threads         *int
	Recompute       *bool
	Precision       *string
}

// with returns the settings after the changes. done is the number of steps
// taken, which --steps cannot undo.
func (s Settings) with(c Changes, done int64) (Settings, error) {
	if c.Steps != nil {
		if *c.Steps < done {
			return s, &SettingError{Flag: "--steps", Value: strconv.FormatInt(*c.Steps, 10),
				Problem: fmt.Sprintf("must be at least %d, the steps this run has done: a run can only be extended", done)}
		}
		s.Steps = *c.Steps
	}
	if c.CheckpointEvery != nil {
		s.CheckpointEvery = *c.CheckpointEvery
	}
	if c.Patience != nil {
		s.Patience = *c.Patience
	}
	if c.TensorBoard != nil {
		s.TensorBoard = *c.TensorBoard
	}
	if c.Device != nil {
		s.Device = *c.Device
	}
	if c.Threads != nil {
		s.Threads = *c.Threads
	}
	if c.Recompute != nil {
		s.Recompute = *c.Recompute
	}
	if c.Precision != nil {
		s.Precision = *c.Precision
	}
	return s, s.Validate()
}
