// The stable cell, a wavefront a launch.
//
//   i = σ(z_i)   g = tanh(z_g)   f = σ(z_{f_0} + forget_bias)   v_d = σ(z_{f_d})   o = σ(z_o)
//   c = i·g + f·m                h = o·tanh(c)
//   m = v_1 c_0 + (1-v_1)·(v_2 c_1 + (1-v_2)·(… c_{D-1}))
//
// Arrays, work split and order of sums: wave.cuh; equations: wave_cells.cuh, Stable.
// Specification: host/ref, stableCell. Source: Leifert et al. 2016 (JMLR 17(97)), Stable.

#include "wave_cells.cuh"

#define CELL(forget_bias, clip) Stable{forget_bias, clip}

WAVE_FORWARD(wave_stable_forward, CELL, 2, 4, true)
WAVE_FORWARD(wave_stable_forward_wide, CELL, 4, 8, true)
WAVE_FORWARD(wave_stable_gates, CELL, 1, 4, false)
WAVE_BACKWARD(wave_stable_backward, CELL, 2, 4, true)
WAVE_BACKWARD(wave_stable_backward_wide, CELL, 4, 8, true)
WAVE_BACKWARD(wave_stable_dgates, CELL, 1, 4, false)
