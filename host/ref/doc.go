// Package ref is the textbook definition of the models: float64, one cell after
// another, no tables of rows, no matrix library. It is the executable
// specification that the engines are tested against, so it is written to be
// compared with the equations, not to be fast. It takes nothing but the
// configuration types and the dropout masks from package nn and indexes
// coordinates, windows, views, sizes and parameters by itself: a bug in the
// schedule cannot become the truth.
//
// # Cells
//
// D axes, K inputs, H hidden units, G = D+3 gates in the order i, g, f_0 …
// f_{D-1}, o. h_d and c_d are those of the predecessor along axis d, zero
// outside the sample; b is forget_bias.
//
//	z = W_ih x + Σ_d W_hh[d] h_d (+ bias)
//
//	layernorm   n_q = LN(z_q)·w_q + b_q for every gate q
//	            c = σ(n_i)·tanh(n_g) + Σ_d σ(n_{f_d} + b)·c_d
//	            h = σ(n_o)·tanh(LN(c)·w_c + b_c)
//	plain       c = σ(z_i)·tanh(z_g) + Σ_d σ(z_{f_d} + b)·c_d
//	            h = σ(z_o)·tanh(c)
//	graves      plain, with z_i + P_i·Σ_d c_d, z_{f_d} + P_f[d]·c_d, z_o + P_o·c
//	stable      c = σ(z_i)·tanh(z_g) + σ(z_{f_0} + b)·m,  m = Σ_d λ_d c_d
//	            h = σ(z_o)·tanh(c)
//	leakylp     c = (1-σ(z_{f_0} + b))·tanh(z_g) + σ(z_{f_0} + b)·m
//	            h = tanh(σ(z_o)·c + σ(z_i)·m)
//
// λ breaks a stick with the other forget gates, s_d = σ(z_{f_d}): λ_0 = s_1,
// λ_1 = (1-s_1)·s_2, …, λ_{D-1} = (1-s_1)·…·(1-s_{D-1}). One axis has no other
// forget gates and λ_0 = 1. LN has biased variance and 1e-5 inside the root.
// Sources: Graves, Fernández, Schmidhuber 2007 (arXiv 0705.2011); Leifert et al.
// 2016 (JMLR 17(97)).
//
// # Where errors are clamped
//
// In training, clip_error > 0 clamps two sums of every cell to ±clip_error, once
// each, before they are used for anything:
//
//	dh = ∂L/∂h from the layer above + Σ_d W_hh[d]ᵀ dz(successor along d)   → clamp
//	     then dz_o, and the part of dc (and dm) that comes through h
//	dc = that part + what successors send: f_d·dc, and the peepholes' or
//	     λ's share; for graves + P_o·dz_o                                  → clamp
//	     then the other gates and the predecessors' c
//
// For layernorm dc is the error at c itself, behind the backward pass of the
// cell's norm. For leakylp the mix m gets du·σ(z_i) + dc·σ(f_0) with du from the
// clamped dh and dc clamped; m itself is not clamped. NaN stays NaN.
//
// # Dropout
//
// In training, a layer's inputs after windowing are multiplied by the factor of
// nn.DropMask: 0, or 1/(1-p). The mask's cell is the row-major index in the
// layer's own grid; under a view, which has no windows, in the sample's grid.
//
// # Losses
//
// Sums, not means; Weight is what they are to be divided by. mse counts (cell,
// unit) pairs whose target is not NaN, binary_cross_entropy all pairs,
// cross_entropy cells whose class is not ignore_index, each with its class
// weight.
package ref
