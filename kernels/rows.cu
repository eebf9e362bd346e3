// Rows on their way between stages: gathers, windows, sums over an axis, directions combined, dropout.
//
//   gather_rows     out[r, o·F + j]  = in[index[o, r], j]                        inputs, windows, results in packed order
//   gather_parts    out[r, j]        = in[index[r], part[r]·F + j]               windows backward
//   sum_rows        out[r, j]        = Σ_i in[source[i], j],  start[r] ≤ i < start[r+1], in that order
//   combine_rows    out[r, j]        = scale·Σ_q in[r, q·F + j]                  q ascending
//   split_rows      out[r, q·F + j]  = scale·in[r, j]
//   dropout_rows    out[r, j]        = in[r, j]·mask(r, j)                       forward and, on gradients, backward
//
//   mask(r, c) = 0 if bits < threshold else keep,  bits = word c%4 of Philox4x32-10 >> 8
//   Philox: counter (c/4, cell[r], low word of n, high word of n), n = first + sample[r]; key (pass[0], pass[1])
//
//   in        in   rows of F floats (gather_parts: of W·F, combine_rows: of Q·F); never null
//   out       out  rows 0 … T-1 overwritten (=); may not alias in
//   index     in   int32 [O, stride]: source row of part o of row r: the row of zeros for none; null: row r
//   part      in   int32 [rows]: which part of the source
//   start     in   int32 [T+1];  source  in  int32
//   cell      in   int32 [rows]: index of the row's cell in its sample;  sample  in  int32 [rows]: its sample in the batch
//   pass      in   uint32 [4]: key low, key high, first low, first high: number of the batch's first sample in the run
//   rows      in   int32 [1]: T (of out)
//   P              rows of a block, chosen by the host so that blocks do about the same work for any width
//
// A block handles P rows, thread-strided over their elements. Nothing is shared; the bits do not depend on the launch.
// Specification: host/ref (windows, sums, combine), nn.DropMask. Source: Salmon, Moraes, Dror, Shaw 2011 (Philox).

constexpr int kRowsThreads = 256;  // kernels.go: Threads of all

// The part of T rows that this block has: [from, to).
struct Share {
    int from, to;
};

static __device__ __forceinline__ Share share(const int* __restrict__ rows, int P) {
    const int T = rows[0];
    const int from = blockIdx.x * P;
    return {from, max(from, min(T, from + P))};  // empty beyond the batch
}

extern "C" __global__ void __launch_bounds__(kRowsThreads)
gather_rows(const float* __restrict__ in, const int* __restrict__ index, float* __restrict__ out,
            const int* __restrict__ rows, int F, int O, int stride, int P) {
    const Share mine = share(rows, P);
    const int W = O * F;
    for (int e = threadIdx.x; e < (mine.to - mine.from) * W; e += kRowsThreads) {
        const int r = mine.from + e / W;
        const int w = e % W;
        const int at = index != nullptr ? index[(size_t)(w / F) * stride + r] : r;
        out[(size_t)r * W + w] = in[(size_t)at * F + w % F];
    }
}

extern "C" __global__ void __launch_bounds__(kRowsThreads)
gather_parts(const float* __restrict__ in, const int* __restrict__ index, const int* __restrict__ part,
             float* __restrict__ out, const int* __restrict__ rows, int F, int W, int P) {
    const Share mine = share(rows, P);
    for (int e = threadIdx.x; e < (mine.to - mine.from) * F; e += kRowsThreads) {
        const int r = mine.from + e / F;
        const int j = e % F;
        out[(size_t)r * F + j] = in[((size_t)index[r] * W + part[r]) * F + j];
    }
}

extern "C" __global__ void __launch_bounds__(kRowsThreads)
sum_rows(const float* __restrict__ in, const int* __restrict__ start, const int* __restrict__ source,
         float* __restrict__ out, const int* __restrict__ rows, int F, int P) {
    const Share mine = share(rows, P);
    for (int e = threadIdx.x; e < (mine.to - mine.from) * F; e += kRowsThreads) {
        const int r = mine.from + e / F;
        const int j = e % F;
        float sum = 0.0f;
        for (int i = start[r]; i < start[r + 1]; ++i) { sum += in[(size_t)source[i] * F + j]; }
        out[(size_t)r * F + j] = sum;
    }
}

extern "C" __global__ void __launch_bounds__(kRowsThreads)
combine_rows(const float* __restrict__ in, float* __restrict__ out, const int* __restrict__ rows, int F, int Q, float scale,
             int P) {
    const Share mine = share(rows, P);
    for (int e = threadIdx.x; e < (mine.to - mine.from) * F; e += kRowsThreads) {
        const int r = mine.from + e / F;
        const int j = e % F;
        float sum = 0.0f;
        for (int q = 0; q < Q; ++q) { sum += in[((size_t)r * Q + q) * F + j]; }
        out[(size_t)r * F + j] = scale * sum;
    }
}

extern "C" __global__ void __launch_bounds__(kRowsThreads)
split_rows(const float* __restrict__ in, float* __restrict__ out, const int* __restrict__ rows, int F, int Q, float scale,
           int P) {
    const Share mine = share(rows, P);
    const int W = Q * F;
    for (int e = threadIdx.x; e < (mine.to - mine.from) * W; e += kRowsThreads) {
        const int r = mine.from + e / W;
        const int w = e % W;
        out[(size_t)r * W + w] = scale * in[(size_t)r * F + w % F];
    }
}

// Four random words for a counter under a key.
struct Words {
    unsigned w[4];
};

static __device__ __forceinline__ Words philox(unsigned c0, unsigned c1, unsigned c2, unsigned c3, unsigned k0, unsigned k1) {
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const unsigned long long a = (unsigned long long)c0 * 0xd2511f53u;
        const unsigned long long b = (unsigned long long)c2 * 0xcd9e8d57u;
        c0 = (unsigned)(b >> 32) ^ c1 ^ k0;
        c1 = (unsigned)b;
        c2 = (unsigned)(a >> 32) ^ c3 ^ k1;
        c3 = (unsigned)a;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return {{c0, c1, c2, c3}};
}

extern "C" __global__ void __launch_bounds__(kRowsThreads)
dropout_rows(const float* __restrict__ in, const int* __restrict__ cell, const int* __restrict__ sample,
             const int* __restrict__ pass, float* __restrict__ out, const int* __restrict__ rows, int F, int threshold,
             float keep, int P) {
    const Share mine = share(rows, P);
    const int groups = (F + 3) / 4;  // of channels that share a call of Philox
    const unsigned long long first = (unsigned)pass[2] | (unsigned long long)(unsigned)pass[3] << 32;
    for (int e = threadIdx.x; e < (mine.to - mine.from) * groups; e += kRowsThreads) {
        const int r = mine.from + e / groups;
        const int group = e % groups;
        const unsigned long long n = first + (unsigned long long)(long long)sample[r];
        const Words random =
            philox(group, cell[r], (unsigned)n, (unsigned)(n >> 32), (unsigned)pass[0], (unsigned)pass[1]);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int c = group * 4 + i;
            if (c < F) {
                const size_t at = (size_t)r * F + c;
                out[at] = in[at] * ((int)(random.w[i] >> 8) < threshold ? 0.0f : keep);
            }
        }
    }
}
