// Four neighbouring floats in one load, where they are aligned and all of them exist.
#pragma once

static __device__ __forceinline__ bool aligned16(const float* p) { return reinterpret_cast<size_t>(p) % 16 == 0; }

// The four values from p on, of which `left` exist; zeros for the others. aligned: p is a multiple of 16 bytes.
static __device__ __forceinline__ float4 load4(const float* __restrict__ p, int left, bool aligned) {
    if (aligned && left >= 4) { return *reinterpret_cast<const float4*>(p); }
    return make_float4(left > 0 ? p[0] : 0.0f, left > 1 ? p[1] : 0.0f, left > 2 ? p[2] : 0.0f, left > 3 ? p[3] : 0.0f);
}
