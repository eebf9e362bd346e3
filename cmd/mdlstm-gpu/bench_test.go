package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64((37*i)%100 + 1) // 1 to 100, mixed
	}
	for _, c := range []struct {
		name   string
		values []float64
		share  float64
		want   float64
	}{
		{"one value", []float64{3}, 0.95, 3},
		{"of five the largest", []float64{5, 1, 4, 2, 3}, 0.95, 5},
		{"of a hundred the 95th", hundred, 0.95, 95},
		{"half of four", []float64{4, 3, 2, 1}, 0.5, 2},
		{"none of them", []float64{2, 1}, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := quantile(c.values, c.share); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestBenchPredict(t *testing.T) {
	args := []string{"bench", "--seconds", "0.01", "--size", "4x3", "--batch", "1", "--hidden", "3", "--device", "cpu"}
	measure := func(more ...string) benchResult {
		var list []benchResult
		if err := json.Unmarshal([]byte(must(t, append(append(args, "--json"), more...)...)), &list); err != nil || len(list) != 1 {
			t.Fatalf("%v: %d objects, error %v, want 1", more, len(list), err)
		}
		return list[0]
	}
	train, predict := measure(), measure("--predict")
	if train.StepP95MS < train.StepMS || train.StepP95MS > train.StepMaxMS || train.Settings.Predict {
		t.Errorf("steps: got %+v", train)
	}
	if predict.StepRepeats != 0 || predict.StepMS != 0 || !predict.Settings.Predict {
		t.Errorf("--predict: got steps in %+v", predict)
	}
	if predict.ForwardP95MS < predict.ForwardMS || predict.ForwardP95MS > predict.ForwardMaxMS || predict.Repeats < minRepeats {
		t.Errorf("--predict: got %+v", predict)
	}
	if want := 12 / predict.ForwardMS * 1000; predict.CellsPerSecond != want {
		t.Errorf("--predict: %v cells a second, want %v", predict.CellsPerSecond, want)
	}
	if predict.Bytes >= train.Bytes {
		t.Errorf("--predict: %d bytes, to train %d: want a plan that keeps less", predict.Bytes, train.Bytes)
	}
	text := must(t, append(args, "--predict")...)
	if strings.Contains(text, "\nstep ") || !strings.Contains(text, "\nforward ") || !strings.Contains(text, "95 % below") {
		t.Errorf("--predict: got %q, want forward alone", text)
	}
}
