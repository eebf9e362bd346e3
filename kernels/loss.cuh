// What the losses of loss.cu and head.cu share.
#pragma once

// A sum with Kahan's compensation: as good as one in twice the digits, rounded.
struct Sum {
    float total = 0.0f;
    float lost = 0.0f;
    __device__ __forceinline__ void add(float x) {
        const float y = x - lost;
        const float next = total + y;
        lost = (next - total) - y;
        total = next;
    }
};

// The binary cross-entropy of a logit z with target t.
struct Binary {
    float p;      // σ(z)
    float loss;   // max(z, 0) - z·t + log(1 + e^-|z|)
    float error;  // p - t
};

static __device__ __forceinline__ Binary binary(float z, float t) {
    const float tail = expf(-fabsf(z));       // at most 1
    const float rest = tail / (1.0f + tail);  // 1 - p for z ≥ 0, p for z < 0
    const float p = z >= 0.0f ? 1.0f / (1.0f + tail) : rest;
    // p near 1 by way of 1 - p, which keeps its digits
    return {p, (fmaxf(z, 0.0f) - z * t) + log1pf(tail), z >= 0.0f ? (1.0f - t) - rest : p - t};
}
