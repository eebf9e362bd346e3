// Package mdlstm is the library: build a model, train it on data of your own,
// predict, save and load. The packages below it (nn, engine, cpu, gpu, grid) are
// for those who need more.
//
//	model, err := mdlstm.New(mdlstm.OneLayer(2, 1, 16, 1, "mse"), mdlstm.Options{Seed: 1})
//	defer model.Close()
//	err = model.Train(ctx, samples, mdlstm.TrainOptions{Epochs: 20})
//	outputs, err := model.Predict(ctx, samples...)
//	err = model.Save("model.safetensors")
//
// It prints nothing and keeps nothing outside its models.
//
// # Data
//
// A [Sample] is a grid of any number of axes, 1 to 8. Its arrays are in packed
// order: cells in row-major order, the values of a cell side by side, nothing in
// between. A sample of Shape {2, 3} with K = 2 channels:
//
//	          axis 1 →                    X  0,0 | 0,1 | 0,2 | 1,0 | 1,1 | 1,2
//	axis 0    0,0  0,1  0,2                  a b   a b   a b   a b   a b   a b
//	   ↓      1,0  1,1  1,2                  cell · K + channel
//
// Outputs and targets are packed the same way on the output grid: the input's,
// made smaller by windows, with fewer axes after sums. Samples of unequal size go
// side by side: there is no padding.
//
// Data that are generated or do not fit into memory come from a [Source].
//
// # What computes
//
// [Options] choose the device and how it computes. The zero value takes the first
// GPU that can, in programs built with the tag cuda, else the CPU with its fastest
// products; [Model.Info] says what it is. A device, products or a precision that
// were asked for and cannot be had are an error, never something else instead:
//
//	Device                  both
//	Threads, BLAS, Temp     the CPU's; beside a GPU Threads make batches
//	Kernels, Precision      a GPU's
//	Recompute, Engines      both
//
// Batches are made while the device computes earlier ones, on the CPU by one
// goroutine, beside a GPU by several where the source allows it ([Forker]).
// [Progress] says how long each step waited for its data.
//
// # Units
//
// Values have no unit of their own: inputs are used as they are, so bring
// channels to about -1 to 1. Losses are means with the natural logarithm. Steps,
// samples and cells count from 0. Learning rates are per step.
//
// # Several goroutines
//
//	Predict, Evaluate, EvaluateSource   any number at once, also while the model trains
//	Save, Parameters, Config, Info, …   likewise
//	Train, TrainSource, SetParameters   one at a time; others wait for their turn
//	Close                               waits for all that run; calls after it get ErrClosed
//	Sample, Output, Config              plain data: not to be changed while a call reads them
//	Source                              for one call at a time, which calls it on other goroutines
//
// Calls compute at the same time on engines of their own, each with a copy of
// the parameters: the first has all threads, further ones have one thread each,
// up to Options.Engines. While a model trains, a call sees the parameters after
// the newest finished step, the same ones for all its samples.
//
// # The same bits
//
// On one machine and build, results do not depend on threads, on the number of
// engines, on how far ahead batches are made, or on what else runs: equal models,
// samples and options give equal bits. BLAS, Kernels and Precision do decide them, and
// Recompute the last ones of models with several or large layers.
package mdlstm
