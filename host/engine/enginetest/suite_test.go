package enginetest

import (
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

// failures runs checks and returns the names of those that fail.
func failures(t *testing.T, open Open, checks []Check) []string {
	var names []string
	for _, c := range checks {
		if err := c.run(&session{t: t, open: open, worst: map[string]approx.Report{}}); err != nil {
			names = append(names, c.Name)
			t.Logf("%s: %.300v", c.Name, err)
		}
	}
	return names
}

// TestWrongEnginesFail: each fault of refEngine is seen by the checks that are
// there to see it.
func TestWrongEnginesFail(t *testing.T) {
	all := refChecks(true)
	faults := []struct {
		fault string
		check string // the check that must fail
	}{
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
		{"bits change from call to call", "model/plain/2-D/one"},
		{"bits depend on the room", "model/plain/2-D/one"},
		{"gradients overwrite", "plan/gradients add up"},
		{"any shape", "plan/samples of other axes"},
		{"SetGradients adds", "arena/set and zero"},
		{"buckets overlap", "arena/buckets"},
		{"buckets with a gap", "arena/buckets"},
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
	}
	for _, f := range faults {
		t.Run(f.fault+"/"+f.check, func(t *testing.T) {
			at := slices.IndexFunc(all, func(c Check) bool { return c.Name == f.check })
			if at < 0 {
				t.Fatalf("no check %q", f.check)
			}
			if got := failures(t, openRef(f.fault), all[at:at+1]); len(got) != 1 {
				t.Errorf("%q passes %s", f.fault, f.check)
			}
		})
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
		c := randomCase(randomSeed + i)
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
