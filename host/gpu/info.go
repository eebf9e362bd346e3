package gpu

import (
	"slices"
	"strings"
)

// describe names the kernels that a plan's layers run: "layers.0 kernels".
func (p *plan) describe(settings map[string]string) {
	for _, s := range p.stages {
		if s, ok := s.(*recurrentStage); ok {
			names := slices.Compact(slices.Sorted(slices.Values(s.kernels.Kernels())))
			settings[s.Name+" kernels"] = strings.Join(names, " ")
		}
	}
}
