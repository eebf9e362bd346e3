// A whole pass over an mdlstm layer in one launch: what all cells share. The kernels are in sweep_<cell>.cu, their text and
// the cells' equations in sweep_cells.cuh, sweep_graves.cuh and sweep_layernorm.cuh. cluster_<cell>.cu has the same kernels
// for several blocks, which walk a sample together: the Team is what differs (cluster_sweep.cuh).
//
// A block owns one sample of one direction and walks its wavefronts, upwards in forward, downwards in backward. The
// recurrent weights stay in shared memory, and with them two rings: what the rows of the last wavefront left for this one
// (forward h and c, backward the gradients of the predecessors' h and c, axis by axis). So no launch, and no trip to
// global memory for anything recurrent, lies between two wavefronts: one barrier does, and what a row needs from global
// memory was asked for while the row before it was computed. The letters and most arrays are those of wave.cuh:
//   start  in [waves, samples+1] int32   first row of each sample in each wavefront; those behind the last sample are the
//                                        wavefront's end, those of wavefronts that do not exist T
//   pred, succ, input, hhT, hhB, h, dh, gates, cell, tanh_cell   as there; succ in both passes: a Team may ask for it
//   begin, end  a launch walks wavefronts begin … end-1: all, or a stretch of a plan that recomputes (wave.cuh: room, line,
//               kept, slot, keep, the arrays' shapes; base is begin). What a stretch needs of its neighbours it finds in
//               global memory, where wave kernels would: h, the c of wavefront begin-1 in slot, and in
//   dhp, dcp inout [R, 2·line+1, D·H]    backward, what wavefront end left for its predecessors; it leaves that of begin.
//                                        Stretches take the halves in turns, as blocks do not wait for each other. None
//                                        is wanted where a launch walks all
//   sums     inout [R, samples, n, 512]  backward of norms and peepholes: each thread's n sums between two stretches
//   M   the most rows that a wavefront of one sample may have: at most 1 for D = 1, (waves+1)/2 for D = 2
// kD axes (1 or 2); kP lanes a row, 16 or 32, at least H: lane k is hidden unit k, with all its gates, and those beyond H
// hold zeros. grid = (samples, R). 512 threads: 512/kP rows at a time; more rows take turns.
//
// Shared memory in floats: weights kD·kP·G·kP; rows of each wavefront 2·waves, backward 4 more; rings 2·2·(M+1)·(kP+4) forward,
// 2·2·kD·(M+1)·kP backward; backward dz of the rows in hand 512·G. Row M of a ring is the row of zeros.
//
// Sums have the order of j or (gate, unit) in fixed chains, whatever M, waves, samples and C are; sums over rows are kept
// by thread, then by block: sample by sample. So no bit depends on the plan's capacity.
#pragma once

#include "beyond.cuh"
#include "reduce.cuh"

constexpr int kSweepThreads = 512;  // of a sample; kernels.go: Threads of all entries sweep_*

static __device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0f, 1.0f + expf(-x)); }  // as in wave.cuh

// x within ±limit; NaN stays NaN.
static __device__ __forceinline__ float clamp(float x, float limit) {
    return x > limit ? limit : (x < -limit ? -limit : x);
}

// The sum over the kP lanes of a row, in all of them. All lanes of the warp must call.
template <int kP>
static __device__ __forceinline__ float row_sum(float x) {
#pragma unroll
    for (int offset = kP / 2; offset > 0; offset /= 2) { x += __shfl_xor_sync(kAllLanes, x, offset); }
    return x;
}

// Who walks a sample: here one block. Its threads are the slots of a turn, kP lanes each, slot by slot; all functions are
// called by all of them.
template <int kP>
struct Alone {
    static constexpr int kThreads = kSweepThreads;  // of a block, at most

    // Which other blocks need what a row leaves.
    template <int kD>
    struct Others {};

    __device__ __forceinline__ int sample() const { return blockIdx.x; }
    __device__ __forceinline__ int threads() const { return kSweepThreads; }
    __device__ __forceinline__ int slot() const { return threadIdx.x / kP; }
    // Of all the threads of the sample, slot by slot.
    __device__ __forceinline__ int thread() const { return threadIdx.x; }
    // Whether the warp of this slot has a row in a turn of so many.
    __device__ __forceinline__ bool works(int) const { return true; }
    // The owners of the neighbours of a row, one an axis: neighbours [kD, C], and the first row of their wavefront.
    template <int kD>
    __device__ __forceinline__ Others<kD> owners(const int*, int, int, int) const {
        return {};
    }
    // Leaves x at the same place of the shared memory of all owners, of the owner on axis d, of the one that adds up.
    template <int kD>
    __device__ __forceinline__ void send(const Others<kD>&, float*, float) const {}
    template <int kD>
    __device__ __forceinline__ void send(const Others<kD>&, int, float*, float) const {}
    __device__ __forceinline__ void collect(float* at, float x) const { *at = x; }
    // The barrier: between arrive and wait nothing may touch what others wait for.
    __device__ __forceinline__ void arrive() const {}
    __device__ __forceinline__ void wait() const { __syncthreads(); }
};

// The arrays of one direction.
struct Sweep {
    const int* start;  // of the sample: entry t·(samples+1)
    const int* pred;
    const int* succ;
    const int* input;
    float* h;
    const float* dh;
    float* gates;
    float* cell;
    float* tanh_cell;
    int waves, samples, C, H, M, stride;  // stride of h: R·H
    int begin, end;
    int first;                           // row of the batch that is row 0 of the stretch's arrays
    int cell_at, before_at, keep_at;     // rows of cell from a row of the stretch, of the wavefront before, and of its last
    int no_cell;                         // the row of zeros of cell
    bool keeps;
    float* dhp;
    float* dcp;
    float* sums;                         // of all blocks
    int after_at, left_at;               // rows of dhp and dcp from a row of wavefront end, and of begin
};

// The arrays of a direction, and of a sample where they have any, from those of all.
static __device__ __forceinline__ Sweep sweep_of(int sample, int begin, int end, int room, int line, int kept, int slot, int keep,
                                                 const int* start, const int* pred, const int* succ, const int* input,
                                                 float* h, const float* dh, float* gates, float* cell, float* tanh_cell,
                                                 float* dhp, float* dcp, float* sums, int waves, int samples, int C, int H,
                                                 int M, int D) {
    const int q = blockIdx.y;
    const int cells = kept * line + room + 1;
    auto row_of = [&](int t) { return start[(size_t)t * (samples + 1)]; };
    Sweep s;
    s.start = start + sample;
    s.pred = pred;
    s.succ = succ;
    s.input = input + (size_t)q * (C + 1);
    s.h = beyond(h, q * H);
    s.dh = beyond(dh, q * H);
    s.first = begin > 0 ? row_of(begin) : 0;
    const ptrdiff_t rows = (ptrdiff_t)q * room - s.first;
    s.gates = gates + rows * (D + 3) * H;
    s.tanh_cell = tanh_cell + rows * H;
    s.cell = cell + (size_t)q * cells * H;
    s.waves = waves;
    s.samples = samples;
    s.C = C;
    s.H = H;
    s.M = M;
    s.stride = gridDim.y * H;
    s.begin = begin;
    s.end = end;
    s.cell_at = kept * line - s.first;
    s.before_at = slot >= 0 ? slot * line - row_of(begin - 1) : 0;
    s.keeps = keep >= 0;
    s.keep_at = s.keeps ? keep * line - row_of(end - 1) : 0;
    s.no_cell = cells - 1;
    s.dhp = beyond(dhp, (size_t)q * (2 * line + 1) * D * H);
    s.dcp = beyond(dcp, (size_t)q * (2 * line + 1) * D * H);
    s.sums = sums;
    s.after_at = end < waves ? (slot + 2) % 2 * line - row_of(end) : 0;
    s.left_at = (slot + 1) % 2 * line - s.first;
    return s;
}

// Where a block is in its walk: a turn of rows of a wavefront.
struct Walk {
    const int* rows;  // shared [waves] first row of the sample in each wavefront, then [waves] how many
    int capacity, t, base, step;

    __device__ __forceinline__ int row() const { return rows[t] + base; }
    __device__ __forceinline__ int left() const { return rows[capacity + t] - base; }
    __device__ __forceinline__ void advance(int turn) {
        base += turn;
        if (base >= rows[capacity + t]) {
            base = 0;
            t += step;
        }
    }
};

// Reads the sample's part of start into shared memory and returns how many wavefronts it has.
static __device__ __forceinline__ int load_rows(const Sweep& s, int* rows, int threads) {
    int count = 0;
    for (int first = 0; first < s.waves; first += threads) {
        const int t = first + threadIdx.x;
        int n = 0;
        if (t < s.waves) {
            const int* at = s.start + (size_t)t * (s.samples + 1);
            rows[t] = at[0];
            n = at[1] - at[0];
            rows[s.waves + t] = n;
        }
        count += __syncthreads_count(n > 0);  // a sample's wavefronts are the first ones
    }
    return count;
}

// One row's share of what a lane needs, in registers.
template <int kD, class Others>
struct Ahead {
    float z[kD + 3];
    int pred[kD];   // slot in the ring
    int input;
    int row;        // -1: none
    Others others;  // who have its successors
};

// Forward. Cell::forward turns z and the predecessors' c into the gates, c, what tanh_cell holds, and h.
template <int kD, int kP, class Team, class Cell>
static __device__ __forceinline__ void sweep_forward(const Sweep& s, const Team& team, const Cell& cell,
                                                     const float* __restrict__ hhT, float* smem) {
    using Others = typename Team::template Others<kD>;
    constexpr int kG = kD + 3;
    constexpr int kTurn = kSweepThreads / kP;
    constexpr int kStride = kP + 4;  // of a row of the rings: neighbouring rows in other banks
    const int k = threadIdx.x % kP;
    const int slot = team.slot();
    const int H = s.H;
    const int GH = kG * H;
    float4* weights = reinterpret_cast<float4*>(smem);  // [kD·kP/4, kG, kP] of four inputs
    float* rings = smem + kD * kP * kG * kP;            // h [2, M+1, kStride], c the same
    const int ring = (s.M + 1) * kStride;
    int* rows = reinterpret_cast<int*>(rings + 4 * ring);

    for (int i = threadIdx.x; i < kD * kP * kG * kP; i += team.threads()) {
        const int j = i / (4 * kP * kG) * 4 + i % 4;
        const int g = i / (4 * kP) % kG;
        const int unit = i / 4 % kP;
        const bool inside = j % kP < H && unit < H;
        smem[i] = inside ? hhT[(size_t)(j / kP * H + j % kP) * GH + g * H + unit] : 0.0f;
    }
    for (int i = threadIdx.x; i < 4 * kStride; i += team.threads()) {
        rings[(i / kStride) * ring + s.M * kStride + i % kStride] = 0.0f;  // the rows of zeros
    }
    const int count = min(load_rows(s, rows, team.threads()), s.end);
    if (count <= s.begin) { return; }  // all threads
    if (s.begin > 0) {
        const int t = s.begin - 1;
        float* h_last = rings + t % 2 * ring;
        for (int i = threadIdx.x; i < rows[s.waves + t] * kP; i += team.threads()) {
            const int row = rows[t] + i / kP;
            const bool inside = k < H;  // as kP divides the threads
            h_last[i / kP * kStride + k] = inside ? s.h[(size_t)s.input[row] * s.stride + k] : 0.0f;
            h_last[2 * ring + i / kP * kStride + k] = inside ? s.cell[(size_t)(row + s.before_at) * H + k] : 0.0f;
        }
    }
    team.arrive();
    team.wait();

    auto fetch = [&](const Walk& at) {
        Ahead<kD, Others> a;
        a.row = at.t < count && slot < at.left() ? at.row() + slot : -1;
        a.input = 0;
#pragma unroll
        for (int d = 0; d < kD; ++d) { a.pred[d] = s.M; }
#pragma unroll
        for (int g = 0; g < kG; ++g) { a.z[g] = 0.0f; }
        if (a.row >= 0) {
            a.input = s.input[a.row];
#pragma unroll
            for (int d = 0; d < kD; ++d) {
                const int p = s.pred[(size_t)d * s.C + a.row];
                if (p < s.C) { a.pred[d] = p - rows[at.t - 1]; }
            }
            a.others = team.template owners<kD>(s.succ, a.row, s.C, at.t + 1 < count ? rows[at.t + 1] : 0);
            if (k < H) {
#pragma unroll
                for (int g = 0; g < kG; ++g) { a.z[g] = s.gates[(size_t)a.row * GH + g * H + k]; }
            }
        }
        return a;
    };

    Walk next = {rows, s.waves, s.begin, 0, 1};
    Ahead<kD, Others> ahead = fetch(next);
    for (int t = s.begin; t < count; ++t) {
        const float* h_before = rings + (t + 1) % 2 * ring;
        const float* c_before = h_before + 2 * ring;
        float* h_here = rings + t % 2 * ring;
        float* c_here = h_here + 2 * ring;
        const int n = rows[s.waves + t];
#pragma unroll 1
        for (int base = 0; base < n; base += kTurn) {
            Ahead<kD, Others> a = ahead;
            next.advance(kTurn);
            ahead = fetch(next);
            const bool last = base + kTurn >= n;
            if (!team.works(n - base)) {
                if (last) { team.arrive(); }
                continue;
            }
            float before[kD];
#pragma unroll
            for (int d = 0; d < kD; ++d) {
                before[d] = c_before[a.pred[d] * kStride + k];
#pragma unroll 4
                for (int j = 0; j < kP / 4; ++j) {
                    const float4 x = *reinterpret_cast<const float4*>(&h_before[a.pred[d] * kStride + 4 * j]);
#pragma unroll
                    for (int g = 0; g < kG; ++g) {
                        const float4 w = weights[((d * (kP / 4) + j) * kG + g) * kP + k];
                        a.z[g] = fmaf(x.w, w.w, fmaf(x.z, w.z, fmaf(x.y, w.y, fmaf(x.x, w.x, a.z[g]))));
                    }
                }
            }
            float c, tc, h;
            cell.forward(s, a.row, k, a.z, before, &c, &tc, &h);
            const bool inside = k < H;
            if (a.row >= 0) {
                const float h_left = inside ? h : 0.0f;
                const float c_left = inside ? c : 0.0f;
                const int to = (base + slot) * kStride + k;
                h_here[to] = h_left;
                c_here[to] = c_left;
                team.template send<kD>(a.others, &h_here[to], h_left);
                team.template send<kD>(a.others, &c_here[to], c_left);
            }
            if (last) { team.arrive(); }  // before the stores to global memory, so that nobody waits for those
            if (a.row >= 0 && inside) {
#pragma unroll
                for (int g = 0; g < kG; ++g) { s.gates[(size_t)a.row * GH + g * H + k] = a.z[g]; }
                s.cell[(size_t)(a.row + s.cell_at) * H + k] = c;
                if (s.keeps && t == s.end - 1) { s.cell[(size_t)(a.row + s.keep_at) * H + k] = c; }
                s.tanh_cell[(size_t)a.row * H + k] = tc;
                s.h[(size_t)a.input * s.stride + k] = h;
            }
        }
        team.wait();
    }
}

// The indices of a row, two turns ahead, and its values, one turn ahead.
template <int kD, class Others>
struct Indices {
    int row, input;
    int pred[kD];   // row in cell
    int succ[kD];   // slot in the ring
    Others others;  // who have its predecessors
};

template <int kD>
struct Values {
    float z[kD + 3];
    float before[kD];  // c of the predecessors
    float c, tc, dh;
};

// Backward. Cell::fetch reads what else the cell needs of a row, one turn ahead; Cell::backward turns the gates into dz and
// what arrives at c into what goes to the predecessors' c; Cell::each_sum goes through its sums over rows, Cell::finish ends
// them.
template <int kD, int kP, class Team, class Cell>
static __device__ __forceinline__ void sweep_backward(const Sweep& s, const Team& team, Cell& cell,
                                                      const float* __restrict__ hhB, float* smem) {
    using Others = typename Team::template Others<kD>;
    constexpr int kG = kD + 3;
    constexpr int kTurn = kSweepThreads / kP;
    const int k = threadIdx.x % kP;
    const int slot = team.slot();
    const int H = s.H;
    const int GH = kG * H;
    const int ring = kD * (s.M + 1) * kP;
    float4* weights = reinterpret_cast<float4*>(smem);  // [kG·kP/4, kD, kP] of four (gate, unit)
    float* here = smem + kD * kP * kG * kP;             // [kTurn, kG·kP] dz of the rows in hand
    float* rings = here + kSweepThreads * kG;           // dh [2, kD, M+1, kP], dc the same
    int* rows = reinterpret_cast<int*>(rings + 4 * ring);

    for (int i = threadIdx.x; i < kD * kP * kG * kP; i += team.threads()) {
        const int from = i / (4 * kP * kD) * 4 + i % 4;
        const int d = i / (4 * kP) % kD;
        const int j = i / 4 % kP;
        const bool inside = from % kP < H && j < H;
        smem[i] = inside ? hhB[(size_t)(from / kP * H + from % kP) * kD * H + d * H + j] : 0.0f;
    }
    for (int i = threadIdx.x; i < 4 * kD * kP; i += team.threads()) {
        rings[(i / kP * (s.M + 1) + s.M) * kP + i % kP] = 0.0f;  // the rows of zeros
    }
    // Places that would take a register each: shared memory has room, and they are wanted two turns ahead.
    enum { kCellAt, kBeforeAt, kNoCell, kLeftAt };
    int* places = rows + 2 * s.waves;
    if (threadIdx.x == 0) {
        places[kCellAt] = s.cell_at;
        places[kBeforeAt] = s.before_at;
        places[kNoCell] = s.no_cell;
        places[kLeftAt] = s.left_at;
    }
    auto sum_of = [&](int i) {
        const size_t block = (size_t)blockIdx.y * s.samples + team.sample();
        return s.sums + (block * Cell::kSums + i) * kSweepThreads + team.thread();
    };
    const int all = load_rows(s, rows, team.threads());
    const int count = min(all, s.end);
    if (all > s.end) {
        const int t = s.end;
        float* dh_last = rings + t % 2 * ring;
        for (int i = threadIdx.x; i < rows[s.waves + t] * kP; i += team.threads()) {
            const size_t row = (size_t)(rows[t] + i / kP + s.after_at) * kD * H;
#pragma unroll
            for (int d = 0; d < kD; ++d) {
                const int to = (d * (s.M + 1) + i / kP) * kP + k;
                dh_last[to] = k < H ? s.dhp[row + d * H + k] : 0.0f;
                dh_last[2 * ring + to] = k < H ? s.dcp[row + d * H + k] : 0.0f;
            }
        }
        cell.each_sum([&](float& sum, int i) { sum = sum_of(i)[0]; });
    }
    team.arrive();
    team.wait();

    auto find = [&](const Walk& at) {
        Indices<kD, Others> x;
        x.row = at.t >= s.begin && slot < at.left() ? at.row() + slot : -1;
        x.input = s.C;
#pragma unroll
        for (int d = 0; d < kD; ++d) {
            x.pred[d] = places[kNoCell];
            x.succ[d] = s.M;
        }
        if (x.row >= 0) {
            x.input = s.input[x.row];
#pragma unroll
            for (int d = 0; d < kD; ++d) {
                const int before = s.pred[(size_t)d * s.C + x.row];
                if (before < s.C) { x.pred[d] = before + places[at.t == s.begin ? kBeforeAt : kCellAt]; }
                const int after = s.succ[(size_t)d * s.C + x.row];
                if (after < s.C) { x.succ[d] = after - rows[at.t + 1]; }
            }
            x.others = team.template owners<kD>(s.pred, x.row, s.C, at.t > 0 ? rows[at.t - 1] : 0);
        }
        return x;
    };
    auto fetch = [&](const Indices<kD, Others>& x, typename Cell::More& more) {
        Values<kD> v = {};
        more = {};
        if (x.row >= 0 && k < H) {
#pragma unroll
            for (int g = 0; g < kG; ++g) { v.z[g] = s.gates[(size_t)x.row * GH + g * H + k]; }
#pragma unroll
            for (int d = 0; d < kD; ++d) { v.before[d] = s.cell[(size_t)x.pred[d] * H + k]; }
            v.c = s.cell[(size_t)(x.row + places[kCellAt]) * H + k];
            v.tc = s.tanh_cell[(size_t)x.row * H + k];
            v.dh = s.dh[(size_t)x.input * s.stride + k];
            cell.fetch(s, x.row, k, &more);
        }
        return v;
    };

    Walk next = {rows, s.waves, count - 1, 0, -1};
    Indices<kD, Others> first = find(next);
    typename Cell::More more_ahead;
    Values<kD> ahead = fetch(first, more_ahead);
    if (count > s.begin) { next.advance(kTurn); }
    Indices<kD, Others> second = find(next);
    for (int t = count - 1; t >= s.begin; --t) {
        const float* dh_after = rings + (t + 1) % 2 * ring;
        const float* dc_after = dh_after + 2 * ring;
        float* dh_here = rings + t % 2 * ring;
        float* dc_here = dh_here + 2 * ring;
        const int n = rows[s.waves + t];
#pragma unroll 1
        for (int base = 0; base < n; base += kTurn) {
            const Indices<kD, Others> x = first;
            Values<kD> v = ahead;
            const typename Cell::More more = more_ahead;
            first = second;
            ahead = fetch(first, more_ahead);
            if (next.t >= s.begin) { next.advance(kTurn); }
            second = find(next);
            const bool last = base + kTurn >= n;
            if (!team.works(n - base)) {
                if (last) { team.arrive(); }
                continue;
            }

            float dc = 0.0f;
#pragma unroll
            for (int d = 0; d < kD; ++d) {
                const int from = (d * (s.M + 1) + x.succ[d]) * kP + k;
                v.dh += dh_after[from];
                dc += dc_after[from];
            }
            float left[kD];
            cell.backward(s, k, v, more, dc, left);
            float* mine = here + slot * kG * kP;
#pragma unroll
            for (int g = 0; g < kG; ++g) {
                mine[g * kP + k] = v.z[g];
                if (x.row >= 0 && k < H) { s.gates[(size_t)x.row * GH + g * H + k] = v.z[g]; }
            }
            __syncwarp();
            float sum[kD] = {};
#pragma unroll(kD == 1 ? 2 : 4)  // 4 would spill for one axis on sm_120
            for (int i = 0; i < kG * kP / 4; ++i) {
                const float4 z = *reinterpret_cast<const float4*>(&mine[4 * i]);
#pragma unroll
                for (int d = 0; d < kD; ++d) {
                    const float4 w = weights[(i * kD + d) * kP + k];
                    sum[d] = fmaf(z.w, w.w, fmaf(z.z, w.z, fmaf(z.y, w.y, fmaf(z.x, w.x, sum[d]))));
                }
            }
            __syncwarp();  // the next turn overwrites dz
            if (x.row >= 0) {
#pragma unroll
                for (int d = 0; d < kD; ++d) {
                    const int to = (d * (s.M + 1) + base + slot) * kP + k;
                    dh_here[to] = sum[d];
                    dc_here[to] = left[d];
                    team.template send<kD>(x.others, d, &dh_here[to], sum[d]);
                    team.template send<kD>(x.others, d, &dc_here[to], left[d]);
                }
            }
            if (last) { team.arrive(); }
        }
        team.wait();
    }
    if (s.begin > 0) {  // for the stretch before, each row by those who have it
        const float* dh_last = rings + s.begin % 2 * ring;
        for (int i = team.thread(); i < (count > s.begin ? rows[s.waves + s.begin] * kP : 0); i += kSweepThreads) {
            const size_t row = (size_t)(rows[s.begin] + i / kP + places[kLeftAt]) * kD * H;
#pragma unroll
            for (int d = 0; d < kD; ++d) {
                const int from = (d * (s.M + 1) + i / kP) * kP + k;
                if (k < H) {
                    s.dhp[row + d * H + k] = dh_last[from];
                    s.dcp[row + d * H + k] = dh_last[2 * ring + from];
                }
            }
        }
        cell.each_sum([&](float& sum, int i) { sum_of(i)[0] = sum; });
        return;
    }
    cell.template finish<kP>(s, team, k, slot, here);
}

// Adds up a sum that every thread kept over its rows, slot by slot, into out[k] (=). All threads must call; two barriers.
template <int kP, class Team>
static __device__ __forceinline__ void finish_sum(const Team& team, float x, float* scratch, float* out, int k, int slot,
                                                  int H) {
    team.collect(&scratch[slot * kP + k], x);
    team.arrive();
    team.wait();
    if (slot == 0 && k < H) {
        float total = 0.0f;
        for (int i = 0; i < kSweepThreads / kP; ++i) { total += scratch[i * kP + k]; }
        out[k] = total;
    }
    team.arrive();
    team.wait();
}
