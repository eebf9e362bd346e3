// Package batch checks what a step is given and brings it into the order of
// rows, the same for every engine: how much room samples take, inputs that must
// be finite, targets that must fit the model's loss.
//
// All errors wrap [engine.ErrShape] (lengths, room) or [engine.ErrData]
// (values), and name the sample, cell or channel at fault.
package batch
