// Small kernels for the tests of tensor cores: of the emulator's, and of tolerances, which must refuse a product with a term
// left out. They are no part of the program. One block.
// variants: 80

#include "../mma_tile.cuh"

extern __shared__ float shared[];

constexpr int kWarp = 32;
constexpr int kTileThreads = 128;

// d [16, 8] += a [16, 8]·b [8, 8] as they are, bit for bit.
extern "C" __global__ void __launch_bounds__(kWarp) mma_once(const float* __restrict__ a, const float* __restrict__ b, float* d) {
    const int g = threadIdx.x / 4;
    const int t = threadIdx.x % 4;
    unsigned x[4];
    unsigned y[2];
    float z[4];
    for (int i = 0; i < 4; ++i) {
        x[i] = __float_as_uint(a[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
        z[i] = d[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
    }
    for (int i = 0; i < 2; ++i) { y[i] = __float_as_uint(b[(t + i * 4) * 8 + g]); }
    mma(z, x, y);
    for (int i = 0; i < 4; ++i) { d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = z[i]; }
}

// y[i] = TF32(x[i]) for 32 values, with nothing in the bits that mma ignores.
extern "C" __global__ void __launch_bounds__(kWarp) mma_round(const float* __restrict__ x, float* y) {
    y[threadIdx.x] = __uint_as_float(to_tf32(x[threadIdx.x]) & 0xffffe000u);
}

// A lane has left: tensor cores take whole warps.
extern "C" __global__ void __launch_bounds__(kWarp) fault_mma(float* d) {
    if (threadIdx.x == 5) { return; }
    float z[4] = {};
    const unsigned x[4] = {};
    const unsigned y[2] = {};
    mma(z, x, y);
    d[threadIdx.x] = z[0];
}

// out [64, 128] = a [64, K]·b [K, 128], K a multiple of 16, with kTerms terms.
template <int kTerms>
static __device__ __forceinline__ void terms(const float* __restrict__ a, const float* __restrict__ b, float* out, int K) {
    using Tile = MmaTile<kTerms, 2, 2, 2, true>;
    MmaRight<Tile> right(b, Tile::kColumns, 0);
    Tile tile;
    tile.clear();
    mma_product(tile, K / kMmaDepth, Tile::kRows, Tile::kColumns, shared,
                [&](int step, float4 (&l)[Tile::kLoadsLeft], float4 (&r)[Tile::kLoadsRight]) {
                    for (int i = 0; i < Tile::kLoadsLeft; ++i) {
                        l[i] = load4(a + (size_t)Tile::left_line(i) * K + step * kMmaDepth + Tile::left_place(), 4, true);
                    }
                    right.fetch(r);
                },
                [](int) {});
    for (int m = 0; m < 8; ++m) {
        for (int i = 0; i < Tile::kPairs; ++i) {
            float* to = out + Tile::row(m) * Tile::kColumns + Tile::column(i);
            to[0] = tile.pair(m, i).x;
            to[1] = tile.pair(m, i).y;
        }
    }
}

extern "C" __global__ void __launch_bounds__(kTileThreads)
terms_1(const float* __restrict__ a, const float* __restrict__ b, float* out, int K) {
    terms<1>(a, b, out, K);
}
// hi·lo is left out.
extern "C" __global__ void __launch_bounds__(kTileThreads)
terms_2(const float* __restrict__ a, const float* __restrict__ b, float* out, int K) {
    terms<2>(a, b, out, K);
}
extern "C" __global__ void __launch_bounds__(kTileThreads)
terms_3(const float* __restrict__ a, const float* __restrict__ b, float* out, int K) {
    terms<3>(a, b, out, K);
}
