package main

import (
	"fmt"
	"strconv"
	"strings"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
)

// balanced is the value of --class-weights that computes them.
const balanced = "balanced"

// classWeights reads --class-weights, or computes them for a model without any.
func (o *trainOptions) classWeights(c nn.Config, data task.Split) ([]float64, error) {
	if c.Loss != nn.CrossEntropy {
		return nil, usagef("--class-weights go with the loss %s, the loss is %s", nn.CrossEntropy, c.Loss)
	}
	if o.ClassWeights != balanced {
		return parseWeights(o.ClassWeights, c.Head.Units)
	}
	m, err := nn.New(c)
	if err != nil {
		return nil, usagef("%w", err)
	}
	if data.Train.Spec().Steps == 0 {
		return nil, usagef("--class-weights %s needs data that end: give the weights", balanced)
	}
	if err := data.Train.Check(m); err != nil {
		return nil, err
	}
	counts, err := countClasses(data.Train, c)
	if err != nil {
		return nil, err
	}
	return balance(counts), nil
}

// parseWeights reads weights for so many classes.
func parseWeights(text string, classes int) ([]float64, error) {
	var weights []float64
	for _, part := range strings.Split(text, ",") {
		w, err := parseFinite(strings.TrimSpace(part))
		if err != nil || w < 0 {
			return nil, usagef("--class-weights %.40q: want numbers, 0 or more, such as 1,2.5, or %s", text, balanced)
		}
		weights = append(weights, w)
	}
	if len(weights) != classes {
		return nil, usagef("--class-weights %.40q: got %d, want one for each of %d classes", text, len(weights), classes)
	}
	return weights, nil
}

// countClasses counts the targets of an epoch, without those that are ignored.
func countClasses(src task.Source, c nn.Config) ([]int64, error) {
	counts := make([]int64, c.Head.Units)
	var batch engine.Batch
	for t := range src.Spec().Steps {
		if err := src.Batch(t, &batch); err != nil {
			return nil, fmt.Errorf("batch %d: %w", t, err)
		}
		for _, class := range batch.Class {
			if c.IgnoreIndex == nil || int(class) != *c.IgnoreIndex {
				counts[class]++
			}
		}
	}
	return counts, nil
}

// balance are weights under which every class that occurs counts the same, and a
// target 1 on average; 1 for a class that never occurs. They have six digits.
func balance(counts []int64) []float64 {
	var all, classes int64
	for _, n := range counts {
		if n > 0 {
			all, classes = all+n, classes+1
		}
	}
	weights := make([]float64, len(counts))
	for class, n := range counts {
		weights[class] = 1
		if n > 0 {
			w := float64(all) / float64(classes) / float64(n)
			weights[class], _ = strconv.ParseFloat(strconv.FormatFloat(w, 'g', 6, 64), 64)
		}
	}
	return weights
}
