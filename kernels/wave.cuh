// One wavefront of an mdlstm layer: what all cells share. The kernels are in wave.cu and wave_<cell>.cu.
//
//   z[r, :] += Σ_d h[pred_d[r]]·W_hh[d]ᵀ        then the cell's equations        forward, wavefronts upwards
//   the cell's equations backward        then dhp[r, d, :] = dz[r]·W_hh[d]       backward, wavefronts downwards
//
// A row is a (sample, cell) in the order of the schedule (host/grid); the rows of wavefront t are wave[t] … wave[t+1]-1,
// none beyond the last wavefront, and depend on rows of wavefront t-1 only. Row C is the row of zeros.
// D axes (1 … 8), H hidden, G = D+3 gates in the order i, g, f_0 … f_{D-1}, o, R = gridDim.z directions, q = blockIdx.z
// the direction of a block. Row-major float32 unless said otherwise:
//   wave       in    [W+1] int32     first row of each wavefront
//   pred, succ in    [D, C] int32    row of the neighbour along each axis, C where there is none
//   input      in    [R, C+1] int32  row of the cell that a row stands for; entry C is C
//   hhT        in    [R, D·H, G·H]   weight_hh for forward
//   hhB        in    [R, G·H, D·H]   weight_hh for backward
//   h          inout [C+1, R·H]      output of row r of direction q at row input[q, r], columns q·H …; forward overwrites
//                                    this wavefront's rows (=) and reads those before; row C is zero
//   dh         in    [C+1, R·H]      its gradient from the layer above
//   gates      inout [R, C, G·H]     W_ih·x + bias; forward leaves the gates, backward dz, of this wavefront's rows
//   cell       inout [R, C+1, H]     c; forward overwrites this wavefront's rows (=); row C is zero
//   tanh_cell  inout [R, C, H]       forward overwrites (=): what o multiplies, for leakylp h; layernorm's backward
//                                    leaves the gradient at the cell's norm there
//   dhp, dcp   inout [R, 2·line+1, D·H]  what a row leaves for the h and c of its predecessors: backward overwrites this
//                                    wavefront's rows (=) and reads those of the wavefront after. Wavefront t, of `line`
//                                    rows at most, lies in half t % 2; the last row is zero
// Stretches. A plan that recomputes keeps c of the last wavefront of each stretch only, and the gates of one stretch at a
// time: forward runs over a stretch once for h and c, and again before its backward. Row 0 of gates, tanh_cell (and hat,
// cell_hat, inverse) is then the first row of wavefront `base`, and they have `room` rows a direction in place of C. In
//   cell   [R, kept·line + room + 1, H]  stand first the wavefronts that are kept, `line` rows each, then the stretch's own
//                                        rows, last the row of zeros; slot is where wavefront base-1 was kept, keep where
//                                        this one shall be, too (-1: nowhere)
// A plan that keeps everything is one stretch: base = 0, room = C, kept = 0, slot = keep = -1, shapes as above.
//
// Only h, gates, cell, dhp and dcp are both read and written within a launch, never the same element by two blocks.
//
// Work split: a block of 256 threads takes kRows rows at a time and all gates of `units` hidden units of one direction;
// grid = (any, ⌈H/units⌉, R), blocks stride over the rows, so any grid is right for any wavefront. Products run over
// tiles of kRows × kColumns through shared memory, the cell's equations by unit, where a row must be seen as a whole
// (layer norm) a warp a row. Every sum has a fixed order within its row, so z, c, h and dz do not depend on the grid;
// sums over rows (norms' weights, peepholes) are kept by block, tile i of a wavefront in block i modulo gridDim.x, which is
// as many as the plan's largest wavefront has tiles, but 256 at most: so room that is not used changes no bit.
#pragma once

#include "beyond.cuh"
#include "reduce.cuh"

constexpr int kWaveThreads = 256;  // kernels.go: Threads of all entries wave_*
constexpr int kDepth = 16;         // inputs a step of the products
constexpr int kMaxAxes = 8;

static __device__ __forceinline__ float sigmoid(float x) {
    return __fdividef(1.0f, 1.0f + expf(-x));  // 2 ulp, a quarter of the instructions of IEEE division; right at ±inf
}

// x within ±limit; NaN stays NaN.
static __device__ __forceinline__ float clamp(float x, float limit) {
    return x > limit ? limit : (x < -limit ? -limit : x);
}

// Tile of a product: each of 16 × 16 threads has TM rows and TN columns.
template <int TM, int TN>
struct Tile {
    static constexpr int kRows = 16 * TM;
    static constexpr int kColumns = 16 * TN;
    static constexpr int kLeft = kDepth * (kRows + 4);  // floats; 4 of padding against bank conflicts of the transpose
    static constexpr int kRight = kDepth * kColumns;
    // Shared memory: sources [kMaxAxes, kRows] int32, two buffers of left [kDepth, kRows+4] and right [kDepth, kColumns].
    static constexpr int kSources = kMaxAxes * kRows;
};

// The left side of forward's product: the outputs of the predecessors, axis by axis.
template <int kRows>
struct Neighbours {
    const float* h;      // of the direction
    const int* sources;  // shared [D, kRows] row in h, C where there is none
    int stride, H, D;
    int d, j;            // place in the depth

    __device__ __forceinline__ void seek(int k) {
        d = k / H;
        j = k % H;
    }
    __device__ __forceinline__ void advance() {
        for (j += kDepth; j >= H; j -= H) { ++d; }
    }
    __device__ __forceinline__ float load(int row) const {
        return d < D ? h[(size_t)sources[d * kRows + row] * stride + j] : 0.0f;
    }
};

// The left side of backward's product: rows of dz themselves.
struct Own {
    const float* z;  // first row of the tile
    int rows, depth;
    int k;

    __device__ __forceinline__ void seek(int at) { k = at; }
    __device__ __forceinline__ void advance() { k += kDepth; }
    __device__ __forceinline__ float load(int row) const {
        return row < rows && k < depth ? z[(size_t)row * depth + k] : 0.0f;
    }
};

// out[r, column(c)] = or += Σ_k left[r, k]·right[k, column(c)] for `rows` rows and the columns of units first … first+units-1
// of every group of H columns. All threads must call, with shared memory free; it is free again after the next barrier.
template <int TM, int TN, bool kAdd, class Left>
static __device__ __forceinline__ void product(Left left, const float* __restrict__ right, float* out, int rows, int depth,
                                               int width, int H, int first, int units, float* buffers) {
    using T = Tile<TM, TN>;
    const int tx = threadIdx.x % 16;
    const int ty = threadIdx.x / 16;
    const int columns = width / H * units;
    const int load_column = threadIdx.x % T::kColumns;
    const int load_depth = threadIdx.x / T::kColumns;
    constexpr int kStep = kWaveThreads / T::kColumns;  // depths that a pass over the right tile loads
    const int steps = (depth + kDepth - 1) / kDepth;

    for (int c0 = 0; c0 < columns; c0 += T::kColumns) {
        const int c = c0 + load_column;
        const bool inside = c < columns;
        const float* column = right + (inside ? c / units * H + first + c % units : 0);
        float sum[TM][TN] = {};
        float l[TM];
        float r[TN];
        left.seek(tx);
#pragma unroll
        for (int i = 0; i < TM; ++i) { l[i] = left.load(ty + 16 * i); }
#pragma unroll
        for (int i = 0; i < TN; ++i) {
            const int k = load_depth + kStep * i;
            r[i] = inside && k < depth ? column[(size_t)k * width] : 0.0f;
        }
        __syncthreads();  // the columns before have read their last buffer
        for (int step = 0; step < steps; ++step) {
            float* a = buffers + step % 2 * (T::kLeft + T::kRight);
            float* b = a + T::kLeft;
#pragma unroll
            for (int i = 0; i < TM; ++i) { a[tx * (T::kRows + 4) + ty + 16 * i] = l[i]; }
#pragma unroll
            for (int i = 0; i < TN; ++i) { b[(load_depth + kStep * i) * T::kColumns + load_column] = r[i]; }
            __syncthreads();  // and one barrier is enough: the next step writes the other buffer
            if (step + 1 < steps) {
                left.advance();
#pragma unroll
                for (int i = 0; i < TM; ++i) { l[i] = left.load(ty + 16 * i); }
#pragma unroll
                for (int i = 0; i < TN; ++i) {
                    const int k = (step + 1) * kDepth + load_depth + kStep * i;
                    r[i] = inside && k < depth ? column[(size_t)k * width] : 0.0f;
                }
            }
#pragma unroll 8  // all 16 cost the large tile 50 registers more
            for (int k = 0; k < kDepth; ++k) {
                float x[TM];
                float y[TN];
                if constexpr (TM == 2) {
                    const float2 v = *reinterpret_cast<const float2*>(&a[k * (T::kRows + 4) + ty * TM]);
                    x[0] = v.x;
                    x[1] = v.y;
                } else {
#pragma unroll
                    for (int i = 0; i < TM; i += 4) {
                        const float4 v = *reinterpret_cast<const float4*>(&a[k * (T::kRows + 4) + ty * TM + i]);
                        x[i] = v.x;
                        x[i + 1] = v.y;
                        x[i + 2] = v.z;
                        x[i + 3] = v.w;
                    }
                }
                // Columns tx·4 + 64·(i/4) + i%4: sixteen threads read 256 bytes in a row, whatever TN is.
#pragma unroll
                for (int i = 0; i < TN; i += 4) {
                    const float4 v = *reinterpret_cast<const float4*>(&b[k * T::kColumns + tx * 4 + 16 * i]);
                    y[i] = v.x;
                    y[i + 1] = v.y;
                    y[i + 2] = v.z;
                    y[i + 3] = v.w;
                }
#pragma unroll
                for (int m = 0; m < TM; ++m) {
#pragma unroll
                    for (int n = 0; n < TN; ++n) { sum[m][n] = fmaf(x[m], y[n], sum[m][n]); }
                }
            }
        }
#pragma unroll
        for (int n = 0; n < TN; ++n) {
            const int at = c0 + tx * 4 + 16 * (n / 4 * 4) + n % 4;
            if (at < columns) {
                const int to = at / units * H + first + at % units;
#pragma unroll
                for (int m = 0; m < TM; ++m) {
                    const int row = ty * TM + m;
                    if (row < rows) {
                        float* z = out + (size_t)row * width + to;
                        *z = kAdd ? *z + sum[m][n] : sum[m][n];
                    }
                }
            }
        }
    }
}

// Where the arrays of a stretch lie: the parameters of the header's paragraph on stretches.
struct Stretch {
    int base, room, line, kept, slot, keep;
};

// The arrays of one direction, as the header says, less what the cell alone has. Rows count from the batch's first
// everywhere; what is added to them leads to their place.
struct Wave {
    const int* pred;
    const int* succ;
    const int* input;
    float* h;
    const float* dh;
    float* gates;
    float* cell;
    float* tanh_cell;
    float* dhp;
    float* dcp;
    int C, H, D, stride;              // stride of h: R·H
    ptrdiff_t rows;                   // of an array of the stretch: row r of the direction is row rows + r of the whole
    int cell_at, before_at, keep_at;  // rows of cell from a row of this wavefront, and of the one before, to its c
    int left_at, after_at;            // the same in dhp and dcp, for this wavefront and the one after
    int no_cell, no_left;             // the rows of zeros of cell, and of dhp and dcp
    bool keeps;

    __device__ __forceinline__ int width() const { return (D + 3) * H; }
    __device__ __forceinline__ float* gate(int row) const { return gates + (size_t)row * width(); }
    // c of the predecessor along axis d.
    __device__ __forceinline__ float before(int row, int d, int k) const {
        const int p = pred[(size_t)d * C + row];
        return cell[(size_t)(p < C ? p + before_at : no_cell) * H + k];
    }
    __device__ __forceinline__ float* own(int row) const { return cell + (size_t)(row + cell_at) * H; }
    // Keeps unit k's c beyond the stretch, if this wavefront is its last.
    __device__ __forceinline__ void keep(int row, int k, float c) const {
        if (keeps) { cell[(size_t)(row + keep_at) * H + k] = c; }
    }
    // What a row leaves for its predecessors' c [D, H], and h.
    __device__ __forceinline__ float* left(int row) const { return dcp + (size_t)(row + left_at) * D * H; }
    __device__ __forceinline__ float* left_h(int row) const { return dhp + (size_t)(row + left_at) * D * H; }
    __device__ __forceinline__ void put(int row, int k, float value) const { h[(size_t)input[row] * stride + k] = value; }
    // What arrives at unit k's h, from above and from the successors, and at its c, from the successors.
    __device__ __forceinline__ void collect(int row, int k, float* at_h, float* at_c) const {
        float sum_h = dh[(size_t)input[row] * stride + k];
        float sum_c = 0.0f;
        for (int d = 0; d < D; ++d) {
            const int after = succ[(size_t)d * C + row];
            const size_t from = (size_t)(after < C ? after + after_at : no_left) * D * H + d * H + k;
            sum_h += dhp[from];
            sum_c += dcp[from];
        }
        *at_h = sum_h;
        *at_c = sum_c;
    }
};

// The arrays of a block's direction, from those of all.
static __device__ __forceinline__ Wave wave_of(const Stretch& x, const int* wave, int t, const int* pred, const int* succ,
                                               const int* input, float* h, const float* dh, float* gates, float* cell,
                                               float* tanh_cell, float* dhp, float* dcp, int C, int H, int D) {
    const int q = blockIdx.z;
    const int first = x.base > 0 ? wave[x.base] : 0;
    const int cells = x.kept * x.line + x.room + 1;
    const int lefts = 2 * x.line + 1;
    Wave w;
    w.pred = pred;
    w.succ = succ;
    w.input = input + (size_t)q * (C + 1);
    w.h = beyond(h, q * H);
    w.dh = beyond(dh, q * H);
    w.rows = (ptrdiff_t)q * x.room - first;
    w.gates = gates + w.rows * (D + 3) * H;
    w.tanh_cell = tanh_cell + w.rows * H;
    w.cell = cell + (size_t)q * cells * H;
    w.dhp = beyond(dhp, (size_t)q * lefts * D * H);
    w.dcp = beyond(dcp, (size_t)q * lefts * D * H);
    w.C = C;
    w.H = H;
    w.D = D;
    w.stride = gridDim.z * H;
    w.cell_at = x.kept * x.line - first;
    w.before_at = x.slot >= 0 && t == x.base ? x.slot * x.line - wave[t - 1] : w.cell_at;
    w.keeps = x.keep >= 0;
    w.keep_at = w.keeps ? x.keep * x.line - wave[t] : 0;
    w.no_cell = cells - 1;
    w.left_at = t % 2 * x.line - wave[t];
    w.after_at = (t + 1) % 2 * x.line - wave[t + 1];
    w.no_left = lefts - 1;
    return w;
}

// Which rows and units are this block's.
struct Share {
    int row, rows;      // first row of the tile, and how many it has
    int first, units;   // hidden units
};

// One wavefront forward: the product, unless a kernel before has done it, and the cell's equations.
template <int TM, int TN, bool kProduct, class Cell>
static __device__ __forceinline__ void wave_forward(const Wave& w, const Cell& cell, const int* wave,
                                                    const float* __restrict__ hhT, int t, int units, float* smem) {
    using T = Tile<TM, TN>;
    const int begin = wave[t];
    const int end = wave[t + 1];
    Share s;
    s.first = blockIdx.y * units;
    s.units = min(units, w.H - s.first);
    for (s.row = begin + blockIdx.x * T::kRows; s.row < end; s.row += gridDim.x * T::kRows) {
        s.rows = min(T::kRows, end - s.row);
        if constexpr (kProduct) {
            int* sources = reinterpret_cast<int*>(smem);
            for (int i = threadIdx.x; i < w.D * T::kRows; i += kWaveThreads) {
                const int r = i % T::kRows;
                sources[i] = r < s.rows ? w.input[w.pred[(size_t)(i / T::kRows) * w.C + s.row + r]] : w.C;
            }
            __syncthreads();
            const Neighbours<T::kRows> left = {w.h, sources, w.stride, w.H, w.D, 0, 0};
            product<TM, TN, true>(left, hhT, w.gate(s.row), s.rows, w.D * w.H, w.width(), w.H, s.first, s.units,
                                  smem + T::kSources);
            __syncthreads();
        }
        cell.forward(w, s);
    }
}

// One wavefront backward: the cell's equations, then the product, unless a kernel after does it.
template <int TM, int TN, bool kProduct, class Cell>
static __device__ __forceinline__ void wave_backward(const Wave& w, const Cell& cell, const int* wave,
                                                     const float* __restrict__ hhB, int t, int units, int zero, float* smem) {
    using T = Tile<TM, TN>;
    const int begin = wave[t];
    const int end = wave[t + 1];
    Share s;
    s.first = blockIdx.y * units;
    s.units = min(units, w.H - s.first);
    if (zero) { cell.zero(w, s); }
    for (s.row = begin + blockIdx.x * T::kRows; s.row < end; s.row += gridDim.x * T::kRows) {
        s.rows = min(T::kRows, end - s.row);
        cell.backward(w, s);
        if constexpr (kProduct) {
            __syncthreads();
            const Own left = {w.gate(s.row), s.rows, w.width(), 0};
            product<TM, TN, false>(left, hhB, w.left_h(s.row), s.rows, w.width(), w.D * w.H, w.D * w.H, 0,
                                   w.D * w.H, smem + T::kSources);
        }
    }
}
