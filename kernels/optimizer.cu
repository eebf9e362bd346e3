// The optimizers: norm and finiteness of all gradients, clipping, Adam, SGD with momentum.
//
//   norm   = s·‖grad‖₂                         over all n parameters; s = scale
//   g      = s·min(1, clip/norm)·grad          no clipping when clip = 0
//   adam:    m = β₁m + (1-β₁)g    v = β₂v + (1-β₂)g²    w -= lr·m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + ε)
//   sgd:     v = μv + g           w -= lr·v
//
// β₁ = 0.9, β₂ = 0.999, ε = 1e-8; t counts updates from 1. An update of up to 8192 parameters (kernels.OneBlock) is one
// launch of one block: adam_small or sgd_small. A larger one is two: gradient_norm, then adam or sgd.
// If a gradient is infinite or NaN, nothing but result is changed.
//
//   grad     inout [n]             in for gradient_norm; the others overwrite it with zeros (=)
//   partial  scratch [3, P]        gradient_norm overwrites all of it (=): Σ of squares, Σ of squares of the huge, not finite
//   hyper    in  [4]               lr, μ, clip, scale: on the device, so that a recorded graph serves every step
//   step     in  [1] int32         t (adam only)
//   w, m, v  inout [n]             parameters and moments, overwritten in place (=)
//   packed   out                   copies of w as the products read them, overwritten (=) where places say; null: none
//   places   in  [n, 2] int32      where w goes in packed, -1: nowhere; pack_weights (arena.cu) makes the same copies at once
//   result   out [2]               norm (after scale, before clipping), 1 when all is finite and the update was made else 0
//   n, P     n < 2³¹ elements; P blocks of gradient_norm, a function of n alone (kernels.NormBlocks: at most 512)
// No two arrays may overlap.
//
// gradient_norm: P blocks, thread-strided; 32 bytes of shared memory. adam, sgd: any number of blocks, thread-strided;
// each block sums the P partials again in the same order, which costs it 6 KiB from L2 and saves a launch. The small ones:
// one block, thread-strided; 128 bytes of shared memory.
// Sums run in an order that n and P fix, no atomics: the bits do not depend on the device or on the grid of adam and sgd.
// Specification: design.md §3a. Source: Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1.

#include "reduce.cuh"

constexpr int kOptimizerThreads = 256;  // kernels.go: Threads of gradient_norm, adam, sgd
constexpr int kSmallThreads = 1024;     // and of adam_small, sgd_small
constexpr float kLargest = 3.402823466e+38f;

// Gradients above kHuge are summed apart, shrunk by a power of two, so that neither sum overflows for any finite
// gradients: 2³¹ squares of 2⁴⁶, or of 2¹²⁸·2⁻⁸⁵, stay below 2¹²⁴.
constexpr float kHuge = 70368744177664.0f;               // 2⁴⁶
constexpr float kShrink = 2.5849394142282115e-26f;       // 2⁻⁸⁵

constexpr float kBeta1 = 0.9f;
constexpr float kBeta2 = 0.999f;
constexpr float kRest1 = 0.1f;                           // 1-β, rounded once: 1.0f - 0.999f is wrong in the sixth digit
constexpr float kRest2 = 0.001f;
constexpr float kLogBeta1 = -0.105360515657826301f;      // ln β
constexpr float kLogBeta2 = -0.00100050033358353350f;
constexpr float kEpsilon = 1e-8f;

// What the norm is made of.
struct Squares {
    float normal = 0.0f;  // Σ of squares
    float huge = 0.0f;    // of those above kHuge, shrunk
    float bad = 0.0f;     // above 0: one was not finite

    __device__ __forceinline__ void add(float g) {
        const float size = fabsf(g);
        if (size > kHuge) {
            huge += (g * kShrink) * (g * kShrink);
        } else {
            normal += g * g;
        }
        if (!(size <= kLargest)) { bad = 1.0f; }  // also true for NaN
    }

    // Sums over the block; all threads must call. Scratch is kThreads / 32 floats.
    template <int kThreads>
    __device__ __forceinline__ void over_block(float* scratch) {
        normal = block_sum<kThreads>(normal, scratch);
        huge = block_sum<kThreads>(huge, scratch);
        bad = block_sum<kThreads>(bad, scratch);
    }
};

extern "C" __global__ void __launch_bounds__(kOptimizerThreads)
gradient_norm(const float* __restrict__ grad, float* __restrict__ partial, int n, int P) {
    __shared__ float scratch[kOptimizerThreads / 32];
    const unsigned stride = gridDim.x * blockDim.x;  // at most 2¹⁷, so that i below cannot wrap
    Squares sum;
#pragma unroll 4
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < (unsigned)n; i += stride) { sum.add(grad[i]); }
    sum.over_block<kOptimizerThreads>(scratch);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum.normal;
        partial[P + blockIdx.x] = sum.huge;
        partial[2 * P + blockIdx.x] = sum.bad;
    }
}

// What becomes of the gradients, the same in every thread of every block.
struct Norm {
    float factor;  // of every gradient: scale and clipping
    bool finite;
};

// Ends the norm; thread 0 of block 0 writes result.
static __device__ __forceinline__ Norm finish_norm(const Squares& sum, const float* __restrict__ hyper,
                                                   float* __restrict__ result) {
    const float clip = hyper[2];
    const float scale = hyper[3];
    float norm = sum.huge > 0.0f ? sqrtf(sum.huge + sum.normal * kShrink * kShrink) / kShrink : sqrtf(sum.normal);
    norm *= fabsf(scale);
    const bool finite = sum.bad == 0.0f;
    if (!finite) { norm = sum.normal + sum.huge; }  // infinite or NaN, whichever the gradients were
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        result[0] = norm;
        result[1] = finite ? 1.0f : 0.0f;
    }
    return {clip > 0.0f && norm > clip ? scale * (clip / norm) : scale, finite};
}

// The norm from the partials of gradient_norm. All threads must call.
static __device__ __forceinline__ Norm norm_of_partials(const float* __restrict__ partial, const float* __restrict__ hyper,
                                                        float* __restrict__ result, int P) {
    __shared__ float scratch[kOptimizerThreads / 32];
    Squares sum;
    for (int p = threadIdx.x; p < P; p += kOptimizerThreads) {
        sum.normal += partial[p];
        sum.huge += partial[P + p];
        sum.bad += partial[2 * P + p];
    }
    sum.over_block<kOptimizerThreads>(scratch);
    return finish_norm(sum, hyper, result);
}

// The norm from all gradients, by one block. All threads must call; the barriers within also keep the zeros that the
// update writes behind the last of these loads.
static __device__ __forceinline__ Norm norm_of_all(const float* grad, const float* __restrict__ hyper,
                                                   float* __restrict__ result, int n) {
    __shared__ float scratch[kSmallThreads / 32];
    Squares sum;
#pragma unroll 4
    for (int i = threadIdx.x; i < n; i += kSmallThreads) { sum.add(grad[i]); }
    sum.over_block<kSmallThreads>(scratch);
    return finish_norm(sum, hyper, result);
}

// Copies parameter i to its places in packed.
static __device__ __forceinline__ void place(float* __restrict__ packed, const int2* __restrict__ places, unsigned i, float w) {
    if (packed == nullptr) { return; }
    const int2 at = places[i];
    if (at.x >= 0) { packed[at.x] = w; }
    if (at.y >= 0) { packed[at.y] = w; }
}

// Adam for this thread's parameters.
static __device__ __forceinline__ void adam_step(const Norm& norm, const float* __restrict__ hyper, const int* __restrict__ step,
                                                 float* __restrict__ grad, float* __restrict__ w, float* __restrict__ m,
                                                 float* __restrict__ v, float* __restrict__ packed,
                                                 const int2* __restrict__ places, int n) {
    if (!norm.finite) { return; }
    const float lr = hyper[0];
    const float t = (float)step[0];
    const float correction1 = 1.0f / -expm1f(t * kLogBeta1);  // 1/(1-β₁ᵗ) without the cancellation of 1 - powf
    const float correction2 = 1.0f / -expm1f(t * kLogBeta2);
    const unsigned stride = gridDim.x * blockDim.x;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < (unsigned)n; i += stride) {
        const float g = norm.factor * grad[i];
        const float mean = kBeta1 * m[i] + kRest1 * g;
        const float square = kBeta2 * v[i] + kRest2 * (g * g);
        m[i] = mean;
        v[i] = square;
        const float next = w[i] - lr * (mean * correction1) / (sqrtf(square * correction2) + kEpsilon);
        w[i] = next;
        place(packed, places, i, next);
        grad[i] = 0.0f;
    }
}

// SGD for this thread's parameters.
static __device__ __forceinline__ void sgd_step(const Norm& norm, const float* __restrict__ hyper, float* __restrict__ grad,
                                                float* __restrict__ w, float* __restrict__ v, float* __restrict__ packed,
                                                const int2* __restrict__ places, int n) {
    if (!norm.finite) { return; }
    const float lr = hyper[0];
    const float momentum = hyper[1];
    const unsigned stride = gridDim.x * blockDim.x;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < (unsigned)n; i += stride) {
        const float velocity = momentum * v[i] + norm.factor * grad[i];
        v[i] = velocity;
        const float next = w[i] - lr * velocity;
        w[i] = next;
        place(packed, places, i, next);
        grad[i] = 0.0f;
    }
}

extern "C" __global__ void __launch_bounds__(kOptimizerThreads)
adam(const float* __restrict__ partial, const float* __restrict__ hyper, const int* __restrict__ step,
     float* __restrict__ grad, float* __restrict__ w, float* __restrict__ m, float* __restrict__ v,
     float* __restrict__ packed, const int2* __restrict__ places, float* __restrict__ result, int n, int P) {
    adam_step(norm_of_partials(partial, hyper, result, P), hyper, step, grad, w, m, v, packed, places, n);
}

extern "C" __global__ void __launch_bounds__(kSmallThreads)
adam_small(const float* __restrict__ hyper, const int* __restrict__ step, float* __restrict__ grad, float* __restrict__ w,
           float* __restrict__ m, float* __restrict__ v, float* __restrict__ packed, const int2* __restrict__ places,
           float* __restrict__ result, int n) {
    adam_step(norm_of_all(grad, hyper, result, n), hyper, step, grad, w, m, v, packed, places, n);
}

extern "C" __global__ void __launch_bounds__(kOptimizerThreads)
sgd(const float* __restrict__ partial, const float* __restrict__ hyper, float* __restrict__ grad, float* __restrict__ w,
    float* __restrict__ v, float* __restrict__ packed, const int2* __restrict__ places, float* __restrict__ result, int n,
    int P) {
    sgd_step(norm_of_partials(partial, hyper, result, P), hyper, grad, w, v, packed, places, n);
}

extern "C" __global__ void __launch_bounds__(kSmallThreads)
sgd_small(const float* __restrict__ hyper, float* __restrict__ grad, float* __restrict__ w, float* __restrict__ v,
          float* __restrict__ packed, const int2* __restrict__ places, float* __restrict__ result, int n) {
    sgd_step(norm_of_all(grad, hyper, result, n), hyper, grad, w, v, packed, places, n);
}
