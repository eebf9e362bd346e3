package train

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels that callers branch on with errors.Is.
var (
	// ErrExists: the folder for a new run is already in use.
	ErrExists = errors.New("folder already in use")
	// ErrNoRun: the folder to be resumed holds no run.
	ErrNoRun = errors.New("no run")
	// ErrLocked: another process works in the run folder.
	ErrLocked = errors.New("run folder is locked")
	// ErrDamaged: a checkpoint is truncated or changed, or both of them are.
	ErrDamaged = errors.New("damaged checkpoint")
	// ErrDataChanged: the data are not those the run was trained on.
	ErrDataChanged = errors.New("the data changed")
	// ErrNothingToDo: all steps of the run are done.
	ErrNothingToDo = errors.New("nothing to do")
	// ErrInterrupted: the context ended, and the checkpoint is safely written.
	ErrInterrupted = errors.New("interrupted")
)

// SettingError is a setting that cannot be used: wrong usage, exit code 2.
type SettingError struct {
	Flag    string // with its dashes, as on the command line
	Value   string // what was given
	Problem string // "must be …"
}

// Error reads "--lr -1: must be a positive number".
func (e *SettingError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Flag, e.Value, e.Problem)
}

// NonFiniteError says that training met NaN or infinity and stopped. The
// parameters were not changed by that step.
type NonFiniteError struct {
	Step       int64  // the step at fault
	Where      string // as engine.Plan.FindNonFinite has it: "layer 0 gate f_1"
	Checkpoint string // path of the last good state
	GoodStep   int64  // steps done in it
}

// Error names the step, the place and the checkpoint that is left.
func (e *NonFiniteError) Error() string {
	advice := "lower --lr, or set --clip or --clip-error"
	if strings.Contains(e.Where, " cell") {
		// a cell adds up its predecessors' states, so only its growth from one
		// wavefront to the next can be at fault
		advice = "its state grows beyond float32 on a grid this large: take --cell stable or leakylp, or lower --forget-bias"
	}
	return fmt.Sprintf("step %d: NaN or infinity in %s: %s; the checkpoint of step %d is kept in %s",
		e.Step, e.Where, advice, e.GoodStep, e.Checkpoint)
}
