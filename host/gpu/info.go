package gpu

import (
	"fmt"
	"slices"
	"strings"
)

// describe names the kernels that a plan's layers ran for the batch loaded last,
// or would for the samples it was made for: "layers.0 kernels".
func (p *plan) describe(settings map[string]string) {
	for _, s := range p.stages {
		if s, ok := s.(*recurrentStage); ok {
			names := slices.Compact(slices.Sorted(slices.Values(s.chosen.Kernels())))
			settings[s.Name+" kernels"] = strings.Join(names, " ")
		}
	}
}

// Choices says in a line a layer which kernels the plan used last runs, for the
// batch loaded last or the samples it was made for, and why.
func (e *Engine) Choices() []string {
	var lines []string
	if len(e.plans) == 0 {
		return nil
	}
	for _, s := range e.plans[len(e.plans)-1].stages {
		if s, ok := s.(*recurrentStage); ok {
			family := string(s.chosen.family())
			if s.chosen.blocks > 1 {
				family = fmt.Sprintf("%s of %d", family, s.chosen.blocks)
			}
			lines = append(lines, fmt.Sprintf("%s: %s (%s)", s.Name, family, s.why))
		}
	}
	return lines
}
