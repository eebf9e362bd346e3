// What the forward pass of an mdlstm layer leaves for the backward pass, kept in bfloat16 between the two.
//
//   store_rows:  saved[q, r, :] = what the arrays of a stretch hold of row r of direction q       after its forward
//   load_rows:   the reverse                                                                    before its backward
//
// Rows wave[begin] … wave[end]-1, which are rows 0 … of the stretch's arrays; the arrays and letters of wave.cuh:
//   gates [R, room, G·H]   tanh_cell [R, room, H]   cell [R, rows, H], the stretch's from row `first` on; layer norm alone:
//   hat [R, room, G·H]   cell_hat [R, room, H]   inverse [R, room, G+1]; else null
//   saved  [R, C, W] words of 32 bits: a row has gates, tanh_cell, hat, cell_hat, inverse, two values a word, each array from
//          a new word on, then c in float32: it goes on to other rows, and its errors would add up
// store_rows overwrites saved (=) and reads the others, load_rows the other way round.
//
// Rounding is to nearest, ties to even, in integers; NaN stays NaN, what rounds beyond the largest becomes infinite. Nothing is
// computed in floating point, so the arrays are unsigned here. A thread has a word at a time; grid = (any, 1, R).
// 8 significant bits: relative errors of 2^-9 at most, in what gradients are made of; outputs never see them.

constexpr int kStoreThreads = 256;  // kernels.go: Threads of all
constexpr int kArrays = 5;

static __device__ __forceinline__ unsigned rounded(unsigned bits) {
    if ((bits & 0x7fffffffu) > 0x7f800000u) { return bits >> 16 | 0x40u; }
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

template <bool kStore>
static __device__ __forceinline__ void move_rows(unsigned* saved, unsigned* gates, unsigned* tanh_cell, unsigned* hat,
                                                 unsigned* cell_hat, unsigned* inverse, unsigned* cell, const int* wave,
                                                 int begin, int end, int C, int room, int rows, int first, int H, int G) {
    unsigned* const arrays[kArrays] = {gates, tanh_cell, hat, cell_hat, inverse};
    const int widths[kArrays] = {G * H, H, hat != nullptr ? G * H : 0, hat != nullptr ? H : 0, hat != nullptr ? G + 1 : 0};
    int pairs = 0;
#pragma unroll
    for (int i = 0; i < kArrays; ++i) { pairs += (widths[i] + 1) / 2; }
    const int words = pairs + H;
    const int q = blockIdx.z;
    const int from = wave[begin];
    const size_t count = (size_t)(wave[end] - from) * words;

    for (size_t e = (size_t)blockIdx.x * kStoreThreads + threadIdx.x; e < count; e += (size_t)gridDim.x * kStoreThreads) {
        const int r = (int)(e / words);
        int w = (int)(e % words);
        unsigned* const at = saved + ((size_t)q * C + from + r) * words + w;
        if (w >= pairs) {
            unsigned* const c = cell + ((size_t)q * rows + first + r) * H + w - pairs;
            if (kStore) {
                *at = *c;
            } else {
                *c = *at;
            }
            continue;
        }
#pragma unroll
        for (int i = 0; i < kArrays; ++i) {
            const int n = (widths[i] + 1) / 2;
            if (w >= 0 && w < n) {
                unsigned* const x = arrays[i] + ((size_t)q * room + r) * widths[i] + 2 * w;
                const bool two = 2 * w + 1 < widths[i];
                if (kStore) {
                    *at = rounded(x[0]) | (two ? rounded(x[1]) << 16 : 0u);
                } else {
                    const unsigned v = *at;
                    x[0] = v << 16;
                    if (two) { x[1] = v & 0xffff0000u; }
                }
            }
            w -= n;
        }
    }
}

#define MOVE(name, STORE)                                                                                                 \
    extern "C" __global__ void __launch_bounds__(kStoreThreads)                                                           \
    name(unsigned* saved, unsigned* gates, unsigned* tanh_cell, unsigned* hat, unsigned* cell_hat, unsigned* inverse,     \
         unsigned* cell, const int* __restrict__ wave, int begin, int end, int C, int room, int rows, int first, int H,   \
         int G) {                                                                                                         \
        move_rows<STORE>(saved, gates, tanh_cell, hat, cell_hat, inverse, cell, wave, begin, end, C, room, rows, first,   \
                         H, G);                                                                                           \
    }
MOVE(store_rows, true)
MOVE(load_rows, false)
