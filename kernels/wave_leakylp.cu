// The leaky cell with a low-pass, a wavefront a launch.
//
//   i = σ(z_i)   g = tanh(z_g)   f = σ(z_{f_0} + forget_bias)   v_d = σ(z_{f_d})   o = σ(z_o)
//   c = (1-f)·g + f·m            h = tanh(o·c + i·m)
//   m = v_1 c_0 + (1-v_1)·(v_2 c_1 + (1-v_2)·(… c_{D-1}))
//
// Arrays, work split and order of sums: wave.cuh; equations: wave_cells.cuh, LeakyLP.
// Specification: host/ref, leakyCell. Source: Leifert et al. 2016 (JMLR 17(97)), LeakyLP.

#include "wave_cells.cuh"

#define CELL(forget_bias, clip) LeakyLP{forget_bias, clip}

WAVE_FORWARD(wave_leakylp_forward, CELL, 2, 4, true)
WAVE_FORWARD(wave_leakylp_forward_wide, CELL, 4, 8, true)
WAVE_FORWARD(wave_leakylp_gates, CELL, 1, 4, false)
WAVE_BACKWARD(wave_leakylp_backward, CELL, 2, 4, true)
WAVE_BACKWARD(wave_leakylp_backward_wide, CELL, 4, 8, true)
WAVE_BACKWARD(wave_leakylp_dgates, CELL, 1, 4, false)
