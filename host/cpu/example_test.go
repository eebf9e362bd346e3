package cpu_test

import (
	"fmt"
	"log"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
)

// Train a layer that looks at the grid from one corner on the random diagonal
// task, then predict.
func Example() {
	model, err := nn.New(nn.Config{
		Input:  1,
		Layers: []nn.Layer{{Type: "mdlstm", Cell: "layernorm", Hidden: 16, Directions: []string{"++"}}},
		Head:   nn.Head{Units: 1, Activation: "sigmoid"},
		Loss:   "mse",
	})
	if err != nil {
		log.Fatal(err)
	}
	e, err := cpu.New(model, cpu.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	if err := e.SetParameters(model.Init(1)); err != nil {
		log.Fatal(err)
	}
	data, err := task.NewDiagonal(task.Options{Size: grid.Shape{8, 8}, Batch: 16, Channels: 1, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	if err := data.Check(model); err != nil {
		log.Fatal(err)
	}

	var batch engine.Batch
	var plan engine.Plan
	var first, last float64
	for step := range int64(200) {
		if err := data.Batch(step, &batch); err != nil {
			log.Fatal(err)
		}
		if plan, err = e.Plan(batch.Samples, engine.Capacity{}); err != nil {
			log.Fatal(err)
		}
		if _, err = plan.Load(&batch); err != nil {
			log.Fatal(err)
		}
		loss, err := plan.Gradients(engine.Pass{})
		if err != nil {
			log.Fatal(err)
		}
		if _, err := e.Update(engine.Update{Optimizer: engine.Adam, LR: 0.01}); err != nil {
			log.Fatal(err)
		}
		last = loss.Sum / loss.Weight
		if step == 0 {
			first = last
		}
	}
	outputs := make([]float32, 16*8*8)
	if _, err := plan.Predict(outputs); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("loss %.1f, then %.2f; %d outputs\n", first, last, len(outputs))
	// Output: loss 0.3, then 0.03; 1024 outputs
}
