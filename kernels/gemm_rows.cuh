// Which rows a product of rows reads and writes: gemm.cu and gemm_mma.cu.
#pragma once

constexpr int kAccumulate = 4;
constexpr int kScatter = 8;

// Row of out that row r has in product q, its first row being F.
static __device__ __forceinline__ size_t out_row(const int* __restrict__ index, int q, int r, int F, int rowsIndex, int rowsOut,
                                                 int flags) {
    return (size_t)q * rowsOut + (flags >= kScatter ? index[(size_t)q * rowsIndex + r] : r - F);
}

// Row of A that row r reads in product or segment p.
static __device__ __forceinline__ size_t a_row(const int* __restrict__ index, int p, int r, int F, int rowsIndex, int rowsA,
                                               int flags) {
    return (size_t)p * rowsA + (index != nullptr && flags < kScatter ? index[(size_t)p * rowsIndex + r] : r - F);
}
