// The plain cell, a wavefront a launch.
//
//   i = σ(z_i)   g = tanh(z_g)   f_d = σ(z_{f_d} + forget_bias)   o = σ(z_o)
//   c = i·g + Σ_d f_d·c_d        h = o·tanh(c)
//
// Arrays, work split and order of sums: wave.cuh; equations: wave_cells.cuh, Additive.
// Specification: host/ref, plainCell. Source: Graves, Fernández, Schmidhuber 2007 (arXiv 0705.2011), without peepholes.

#include "wave_cells.cuh"

#define CELL(forget_bias, clip) Additive<false>{nullptr, nullptr, nullptr, nullptr, forget_bias, clip}

WAVE_FORWARD(wave_plain_forward, CELL, 2, 4, true)
WAVE_FORWARD(wave_plain_forward_wide, CELL, 4, 8, true)
WAVE_FORWARD(wave_plain_gates, CELL, 1, 4, false)
WAVE_BACKWARD(wave_plain_backward, CELL, 2, 4, true)
WAVE_BACKWARD(wave_plain_backward_wide, CELL, 4, 8, true)
WAVE_BACKWARD(wave_plain_dgates, CELL, 1, 4, false)
