package main

import (
	"context"
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// evaluateClasses is [train.Evaluate] for a model of classes. It also counts the
// cells that count, and those of them whose largest output is their class; of
// equal outputs the first is the largest.
func evaluateClasses(ctx context.Context, e engine.Engine, src task.Source, first, n int64) (loss engine.Loss, right, cells int64, err error) {
	// All memory is taken, or refused, before the first batch is made.
	if _, err := e.Plan(src.Largest(), engine.Capacity{}); err != nil {
		return loss, 0, 0, err
	}
	var batch engine.Batch
	for t := first; t < first+n; t++ {
		if err := ctx.Err(); err != nil {
			return loss, 0, 0, err
		}
		if err := src.Batch(t, &batch); err != nil {
			return loss, 0, 0, fmt.Errorf("batch %d: %w", t, err)
		}
		outputs, one, err := train.Predict(e, &batch)
		if err != nil {
			return loss, 0, 0, fmt.Errorf("batch %d: %w", t, err)
		}
		loss.Add(one)
		r, c := countRight(outputs, e.Model().Units(), batch.Class, e.Model().Config.IgnoreIndex)
		right, cells = right+r, cells+c
	}
	return loss, right, cells, nil
}

// countRight counts the cells of outputs [cells, units] whose largest is the
// class of the cell, and all but those of the class ignore, nil for none.
func countRight(outputs []float32, units int, classes []int32, ignore *int) (right, cells int64) {
	for i, class := range classes {
		if ignore != nil && int(class) == *ignore {
			continue
		}
		cells++
		largest := 0
		for u, v := range outputs[i*units:][:units] {
			if v > outputs[i*units+largest] {
				largest = u
			}
		}
		if largest == int(class) {
			right++
		}
	}
	return right, cells
}
