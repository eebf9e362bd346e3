package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/tensorboard/eventtest"
)

// TestTensorBoard: event files beside the log change no bit of a run; they come
// with a run that is done already, too, and are a setting like others.
func TestTensorBoard(t *testing.T) {
	dir := t.TempDir()
	plain, told := filepath.Join(dir, "plain"), filepath.Join(dir, "told")
	must(t, quick("--out", plain)...)
	must(t, quick("--out", told, "--tensorboard")...)
	for _, name := range []string{modelFile, "prediction_after.png"} {
		if read(t, plain, name) != read(t, told, name) {
			t.Errorf("%s differs with --tensorboard", name)
		}
	}
	if a, b := logWithoutTime(t, plain), logWithoutTime(t, told); a != b {
		t.Errorf("log\n%s\nwant\n%s", b, a)
	}
	if slices.Contains(files(t, plain), "tensorboard") {
		t.Error("a folder tensorboard that was not asked for")
	}
	must(t, "train", "--resume", told, "--steps", "8")
	must(t, "train", "--resume", plain, "--tensorboard")
	for run, want := range map[string]eventtest.Run{told: {Files: 2, Images: map[string][]int64{"prediction": {0, 6, 8}}}, plain: {Files: 1}} {
		got, err := eventtest.ReadDir(filepath.Join(run, "tensorboard"))
		if err != nil {
			t.Fatal(err)
		}
		losses := got.Scalars["train/overall_loss"]
		if got.Files != want.Files || len(losses) != strings.Count(read(t, run, logFile), "\n")-1 ||
			!slices.Equal(got.Images["prediction"], want.Images["prediction"]) || got.Partial != 0 {
			t.Errorf("%s: %d files, losses %v, images %v", run, got.Files, losses, got.Images)
		}
	}
}

// TestTensorBoardFolderInTheWay: no step is done that TensorBoard is not told.
func TestTensorBoardFolderInTheWay(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	trained(t, run, nil)
	blocked := filepath.Join(run, "tensorboard")
	if err := os.WriteFile(blocked, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	refused(t, do("train", "--resume", run, "--steps", "8", "--tensorboard"), exitFailed, blocked)
	refused(t, do("train", "--resume", run, "--tensorboard"), exitFailed, blocked)
}
