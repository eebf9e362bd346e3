package main

import (
	"strings"
	"testing"

	"mdlstm-gpu/host/train"
)

func TestTrainSchedules(t *testing.T) {
	t.Chdir(t.TempDir())
	classArrays(t, 10)
	data := []string{"train", "--x", "X.npy", "--y", "Y.npy", "--batch", "2", "--hidden", "2", "--device", "cpu"}
	with := func(args ...string) []string { return append(append([]string{}, data...), args...) }

	dry := must(t, with("--dry-run", "--epochs", "3", "--accumulate", "2", "--schedule", "cosine", "--warmup", "2", "--lr-end", "0.1", "--valid", "2")...)
	for _, want := range []string{"2 times 2 samples", "0.01, cosine to 0.1 of it, 2 steps of warm-up", "validation     once an epoch", "6 steps"} {
		if !strings.Contains(dry, want) {
			t.Errorf("the dry run lacks %q:\n%s", want, dry)
		}
	}

	must(t, with("--epochs", "3", "--accumulate", "2", "--schedule", "step", "--lr-step", "2,4", "--out", "run")...)
	record, err := train.ReadRecord("run")
	if err != nil {
		t.Fatal(err)
	}
	s := record.Settings
	if s.Steps != 8 || s.Accumulate != 2 || s.Schedule.Gamma != 0.1 || len(s.Schedule.At) != 2 {
		t.Errorf("settings %+v", s)
	}
	if page := read(t, "run", reportFile); !strings.Contains(page, "times 0.1 at steps 2, 4") || !strings.Contains(page, "Batches a step") {
		t.Error("the report does not have the schedule")
	}

	must(t, with("--steps", "4", "--schedule", "cosine", "--out", "falling")...)
	if r := do("train", "--resume", "falling", "--steps", "8"); r.code != exitDone || !strings.Contains(r.err, "the learning rate goes on at 0.005") {
		t.Errorf("%+v", r)
	}
	if got, want := logWithoutTime(t, "falling"), 9; strings.Count(got, "\n") != want {
		t.Errorf("log %s", got)
	}

	for _, c := range []struct{ args, want string }{
		{"--schedule linear", `--schedule "linear": want constant, step, cosine`},
		{"--schedule step", "--schedule step: needs --lr-step"},
		{"--lr-step 5", "--lr-step 5: goes with --schedule step"},
		{"--lr-gamma 0.5", "--lr-gamma 0.5: goes with --schedule step"},
		{"--lr-end 0.5", "--lr-end 0.5: goes with --schedule cosine"},
		{"--schedule step --lr-step x", `--lr-step "x"`},
		{"--warmup -1", "--warmup -1: must not be negative"},
		{"--accumulate 0", "--accumulate 0: must be at least 1 batch"},
		{"--accumulate -2", "--accumulate -2: must be at least 1 batch"},
	} {
		r := do(with(append(strings.Fields(c.args), "--out", "bad")...)...)
		if r.code != exitUsage || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: code %d, %q, want %q", c.args, r.code, r.err, c.want)
		}
	}
}
