package enginetest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine/enginetest/approx"
)

// refChecks are the checks that an engine over host/ref can pass: it has no
// gates to look into.
func refChecks(short bool) []Check {
	return slices.DeleteFunc(Checks(short), func(c Check) bool { return strings.HasPrefix(c.Name, "find non-finite/") })
}

// TestReferencePasses: the suite accepts what it defines.
func TestReferencePasses(t *testing.T) {
	RunChecks(t, openRef(""), refChecks(true))
}

// plantedFault is a fault of refEngine and the check that must see it.
type plantedFault struct{ fault, check string }

func plantedFaults(all []Check) []plantedFault {
	faults := []plantedFault{
		{"gradient off by 1e-3", "model/plain/2-D/one"},
		{"an output off by 1e-4", "model/plain/2-D/one"},
		{"outputs not written", "model/plain/2-D/one"},
		{"directions swapped", "model/layernorm/3-D/all"},
		{"directions mirrored", "model/stable/2-D/one"},
		{"cell taken for another", "model/stable/2-D/one"},
		{"forget_bias ignored", "model/graves/forget_bias"},
		{"combine ignored", "model/plain/combine mean"},
		{"clip_error ignored", "model/layernorm/clip_error acts"},
		{"clip_error ignored", "model/plain/clip_error acts"},
		{"clip_error ignored", "model/graves/clip_error acts"},
		{"clip_error ignored", "model/stable/clip_error acts"},
		{"clip_error ignored", "model/leakylp/clip_error acts"},
		{"class weights ignored", "model/cross_entropy/class weights"},
		{"normaliser ignored", "model/normaliser"},
		{"no dropout", "model/plain/dropout"},
		{"dropout key without step", "model/plain/dropout"},
		{"dropout by place in the batch", "model/plain/dropout"},
		{"dropout in predict", "model/plain/dropout"},
		{"sum off by 1e-4", "model/mse/linear"},
		{"relevant cells forgotten", "model/mse/relevant"},
		{"wrong weight", "model/mse/NaN targets"},
		{"writes into x", "model/plain/2-D/one"},
		{"panics", "model/plain/2-D/one"},
		{"bits change from call to call", "model/plain/2-D/one"},
		{"bits depend on the room", "model/plain/2-D/one"},
		{"gradients overwrite", "plan/gradients add up"},
		{"learns from nothing", "plan/no targets"},
		{"bits depend on the cores", "plan/any number of cores"},
		{"a new plan each time", "plan/taken again"},
		{"one plan for all", "plan/taken again"},
		{"keeps the caller's batch", "plan/load copies"},
		{"nameless", "info"},
		{"any shape", "plan/samples of other axes"},
		{"SetGradients adds", "arena/set and zero"},
		{"buckets overlap", "arena/buckets"},
		{"buckets with a gap", "arena/buckets"},
		{"reduces all", "arena/reduce"},
		{"reduced and forgotten", "arena/reduce"},
		{"errors of Reduce lost", "arena/reduce"},
		{"NaN swallowed", "extreme/NaN passes through a clamp"},
		{"NaN at large inputs", "extreme/plain/input of 1e+30"},
		{"clip ignored", "update/sgd/clip acts"},
		{"scale ignored", "update/sgd/scale"},
		{"momentum ignored", "update/sgd/momentum"},
		{"no bias correction", "update/adam"},
		{"arena kept", "update/sgd"},
		{"wrong norm", "update/sgd"},
		{"any optimizer", "update/unknown optimizer"},
		{"NaN taken as zero", "update/adam/not finite"},
		{"clears a bad arena", "update/adam/not finite"},
		{"a bad update counts", "update/sgd/not finite"},
		{"names no tensor", "update/sgd/not finite"},
		{"moments forgotten", "update/sgd/moments continue"},
		{"loads anything", "load/NaN in x"},
		{"wrong sentinel", "load/x too short"},
		{"gradient off by 1e-3", "training/sgd side by side"},
		{"bits depend on the room", "plan/batches within a capacity"},
		{"gradient off by 1e-3", "plan/more plans than the limit"},
		{"old plans are gone", "plan/stays valid"},
		{"divides by zero", "plan/nothing counts"},
		{"any length", "plan/predict into nil"},
		{"any length", "parameters/in and out"},
		{"any length", "update/moments of a wrong length"},
		{"holds nothing", "plan/bytes"},
		{"other bits to predict", "plan/to predict"},
		{"clip_error ignored", "extreme/layernorm/zero input, initial parameters"},
		{"clip_error ignored", "training/zero input"},
		{"NaN", "training/zero corner"},
		{"loss from probabilities", "extreme/cross_entropy/huge logits"},
		{"loss from probabilities", "extreme/binary_cross_entropy/huge logits"},
		{"no bias correction", "training/adam side by side"},
		{"moments forgotten", "update/adam/moments continue"},
		{"wrong weight", "load/ignored class outside the model's"},
		{"", "find non-finite/in the forward pass"}, // host/ref has no gates to look into
	}
	for _, c := range all {
		family, _, _ := strings.Cut(c.Name, "/")
		switch {
		case family == "load" && !strings.HasPrefix(c.Name, "load/ignored"):
			faults = append(faults, plantedFault{"loads anything", c.Name})
		case family == "extreme" && !strings.HasPrefix(c.Name, "extreme/NaN"):
			faults = append(faults, plantedFault{"NaN", c.Name})
		case strings.HasPrefix(c.Name, "plan/a ") || strings.HasPrefix(c.Name, "plan/more cells"):
			faults = append(faults, plantedFault{"any shape", c.Name})
		case family == "update" && strings.Count(c.Name, "/") <= 2 && !strings.Contains(c.Name, "finite") && !strings.Contains(c.Name, "moments") && !strings.Contains(c.Name, "unknown"):
			faults = append(faults, plantedFault{"wrong norm", c.Name})
		}
	}
	return faults
}

// TestWrongEnginesFail: each fault of refEngine is seen by the check that is
// there to see it, and each check that is not about one model sees some fault.
func TestWrongEnginesFail(t *testing.T) {
	all := Checks(true)
	seen := map[string]bool{}
	for _, f := range plantedFaults(all) {
		t.Run(f.fault+"/"+f.check, func(t *testing.T) {
			at := slices.IndexFunc(all, func(c Check) bool { return c.Name == f.check })
			if at < 0 {
				t.Fatalf("no check %q", f.check)
			}
			err := all[at].try(&session{t: t, open: openRef(f.fault), worst: map[string]approx.Report{}})
			if err == nil {
				t.Errorf("%q passes %s", f.fault, f.check)
			}
			t.Logf("%.300v", err)
			seen[f.check] = true
		})
	}
	for _, c := range all {
		if family, _, _ := strings.Cut(c.Name, "/"); family != "model" && family != "random" && !seen[c.Name] {
			t.Errorf("%s: no fault shows that it can fail", c.Name)
		}
	}
}

// TestNamesAreUnique: a check that has another's name would hide it in -run.
func TestNamesAreUnique(t *testing.T) {
	for _, short := range []bool{false, true} {
		seen := map[string]bool{}
		for _, c := range Checks(short) {
			if seen[c.Name] {
				t.Errorf("two checks are named %q", c.Name)
			}
			seen[c.Name] = true
		}
	}
}

// TestRandomCasesCover: the sampler reaches every cell, view, loss and option.
func TestRandomCasesCover(t *testing.T) {
	seen := map[string]int{}
	for i := range uint64(80) {
		c := randomCase(randomSeed+i, rand.New(rand.NewPCG(randomSeed+i, 3)))
		text, err := c.config.JSON()
		if err != nil {
			t.Errorf("seed %d: %v", randomSeed+i, err)
			continue
		}
		for _, part := range []string{
			`"layernorm"`, `"plain"`, `"graves"`, `"stable"`, `"leakylp"`, `"rows"`, `"snake"`, `"sum","axis"`, `"dense"`, `"window"`,
			`"combine":"sum"`, `"combine":"mean"`, `"dropout"`, `"forget_bias"`, `"bias":false`, `"mse"`, `"cross_entropy"`,
			`"binary_cross_entropy"`, `"class_weights"`, `"ignore_index"`, `"++++`, `"+++"`,
		} {
			if strings.Contains(string(text), part) {
				seen[part]++
			} else {
				seen[part] += 0
			}
		}
	}
	for part, n := range seen {
		if n == 0 {
			t.Errorf("no random model has %s", part)
		}
	}
}
