// The activations of dense layers and heads, accurate to a few units in the last place.
#pragma once

constexpr int kLinear = 0;
constexpr int kTanh = 1;
constexpr int kSigmoid = 2;

static __device__ __forceinline__ float activate(float z, int activation) {
    if (activation == kTanh) { return tanhf(z); }
    if (activation == kSigmoid) { return 1.0f / (1.0f + expf(-z)); }
    return z;
}

// The activation's derivative, from its value y.
static __device__ __forceinline__ float slope(float y, int activation) {
    if (activation == kTanh) { return 1.0f - y * y; }
    if (activation == kSigmoid) { return y * (1.0f - y); }
    return 1.0f;
}
