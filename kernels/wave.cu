// What a large layer needs beside its cell's equations.
//
//   wave_products:  z[r, :] += Σ_d h[pred_d[r]]·W_hh[d]ᵀ     before wave_<cell>_gates
//   wave_dproducts: dhp[r, d, :] = dz[r]·W_hh[d]             after wave_<cell>_dgates
//
// They are the products of wave.cuh on their own, so that few rows still keep many blocks busy: grid =
// (any, ⌈columns/64⌉, R), one tile of columns a block; arrays as there.
// Specification: host/ref, mdlstm.go.

#include "wave.cuh"

extern "C" __global__ void __launch_bounds__(kWaveThreads, 1)
wave_products(const int* __restrict__ wave, const int* __restrict__ pred, const int* __restrict__ input,
              const float* __restrict__ hhT, const float* h, float* gates, int t, int base, int room, int C, int H, int D) {
    using T = Tile<2, 4>;
    extern __shared__ float shared[];
    const int q = blockIdx.z;
    const size_t rows = (size_t)q * C;
    const ptrdiff_t at = (ptrdiff_t)q * room - wave[base];  // of row 0 in gates
    const int GH = (D + 3) * H;
    const int end = wave[t + 1];
    int* sources = reinterpret_cast<int*>(shared);
    // All columns are one group here: a tile is 64 of them, whichever gates they are.
    const int first = blockIdx.y * T::kColumns;
    for (int row = wave[t] + blockIdx.x * T::kRows; row < end; row += gridDim.x * T::kRows) {
        const int n = min(T::kRows, end - row);
        for (int i = threadIdx.x; i < D * T::kRows; i += kWaveThreads) {
            const int r = i % T::kRows;
            sources[i] = r < n ? input[rows + q + pred[(size_t)(i / T::kRows) * C + row + r]] : C;
        }
        __syncthreads();
        const Neighbours<T::kRows> left = {h + q * H, sources, (int)gridDim.z * H, H, D, 0, 0};
        product<2, 4, true>(left, hhT + (size_t)q * D * H * GH, gates + (at + row) * GH, n, D * H, GH, GH, first,
                            min(T::kColumns, GH - first), shared + T::kSources);
        __syncthreads();
    }
}

extern "C" __global__ void __launch_bounds__(kWaveThreads, 1)
wave_dproducts(const int* __restrict__ wave, const float* __restrict__ hhB, const float* __restrict__ gates,
               float* __restrict__ dhp, int t, int base, int room, int line, int H, int D) {
    using T = Tile<2, 4>;
    extern __shared__ float shared[];
    const int q = blockIdx.z;
    const ptrdiff_t at = (ptrdiff_t)q * room - wave[base];
    const ptrdiff_t to = (ptrdiff_t)q * (2 * line + 1) + t % 2 * line - wave[t];  // of row 0 in dhp
    const int GH = (D + 3) * H;
    const int end = wave[t + 1];
    const int first = blockIdx.y * T::kColumns;
    for (int row = wave[t] + blockIdx.x * T::kRows; row < end; row += gridDim.x * T::kRows) {
        const int n = min(T::kRows, end - row);
        const Own left = {gates + (at + row) * GH, n, GH, 0};
        product<2, 4, false>(left, hhB + (size_t)q * GH * D * H, dhp + (to + row) * D * H, n, GH, D * H, D * H, first,
                             min(T::kColumns, D * H - first), shared + T::kSources);
        __syncthreads();
    }
}
