// Package engine is the interface that computes a model: host/cpu implements it
// on the CPU. Package enginetest holds the one suite that every implementation
// must pass against the float64 definition in host/ref.
//
// A training step is
//
//	plan, err := e.Plan(batch.Samples, engine.Capacity{})
//	weight, err := plan.Load(batch)
//	loss, err := plan.Gradients(engine.Pass{Normaliser: weight, Seed: seed, Step: step})
//	result, err := e.Update(engine.Update{Optimizer: engine.Adam, LR: 0.01})
//
// Accumulation over batches is several Gradients calls before one Update; data
// parallel training sums weights before and arenas after the Gradients call.
package engine
