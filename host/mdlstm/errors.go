package mdlstm

import (
	"errors"
	"fmt"
	"strings"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
)

// Sentinels to branch on with errors.Is. A context that ends is seen as
// context.Canceled or context.DeadlineExceeded, a file that cannot be read as
// the error of package os.
var (
	ErrShape    = engine.ErrShape  // lengths that do not fit: axes, x, y, classes
	ErrData     = engine.ErrData   // values that cannot be used: NaN in x, a class outside the model's
	ErrMemory   = engine.ErrMemory // not enough memory; nothing was computed
	ErrNoDevice = cuda.ErrNoDevice // Options ask for a GPU, and there is none that can compute
	ErrClosed   = errors.New("the model is closed")
)

// ErrStop is what [TrainOptions].Progress returns to end training early without
// an error.
var ErrStop = errors.New("stop training")

// NonFiniteError says that a training step met NaN or infinity. That step
// changed nothing: the parameters are those of the step before.
type NonFiniteError struct {
	Step  int64  // counts from 0 in the call
	Where string // "layer 0 gate f_1", "gradient of layers.0.weight_hh gate i", "loss"
}

// Error names the step and the place, and says what to do.
func (e *NonFiniteError) Error() string {
	advice := "lower LR, or set Clip or the layer's ClipError"
	if strings.Contains(e.Where, " cell") {
		advice = `its state grows beyond float32 on a grid this large: use cell "stable" or "leakylp", or lower ForgetBias`
	}
	return fmt.Sprintf("NaN or infinity in %s: %s", e.Where, advice)
}
