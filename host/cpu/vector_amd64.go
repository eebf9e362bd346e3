package cpu

import "golang.org/x/sys/cpu"

// vectorKernels lists the sets in assembly that this processor and its system
// know, the widest first. gen writes them.
func vectorKernels() (sets []*kernels) {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return nil
	}
	if x.HasAVX512F && x.HasAVX512VL && x.HasAVX512DQ && x.HasBMI2 {
		sets = append(sets, &kernels{
			name:           avx512,
			width:          16,
			activate:       activateAVX512,
			normalise:      normaliseAVX512,
			denormalise:    denormaliseAVX512,
			peepholes:      peepholesAVX512,
			outputPeephole: outputPeepholeAVX512,
			additive:       additiveAVX512,
			stable:         stableAVX512,
			leaky:          leakyAVX512,
			hidden:         hiddenAVX512,
			mixed:          mixedAVX512,
			collect:        collectAVX512,
			output:         outputAVX512,
			normedBack:     normedBackAVX512,
			additiveBack:   additiveBackAVX512,
			peepholesBack:  peepholesBackAVX512,
			stableBack:     stableBackAVX512,
			leakyBack:      leakyBackAVX512,
			add:            addAVX512,
			axpy:           axpyAVX512,
			adam:           adamAVX512,
		})
	}
	return append(sets, &kernels{
		name:           avx2,
		width:          8,
		activate:       activateAVX2,
		normalise:      normaliseAVX2,
		denormalise:    denormaliseAVX2,
		peepholes:      peepholesAVX2,
		outputPeephole: outputPeepholeAVX2,
		additive:       additiveAVX2,
		stable:         stableAVX2,
		leaky:          leakyAVX2,
		hidden:         hiddenAVX2,
		mixed:          mixedAVX2,
		collect:        collectAVX2,
		output:         outputAVX2,
		normedBack:     normedBackAVX2,
		additiveBack:   additiveBackAVX2,
		peepholesBack:  peepholesBackAVX2,
		stableBack:     stableBackAVX2,
		leakyBack:      leakyBackAVX2,
		add:            addAVX2,
		axpy:           axpyAVX2,
		adam:           adamAVX2,
	})
}
