package gpu

import (
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
