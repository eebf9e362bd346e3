// ptx-check must refuse this: 64 values live at once do not fit the 32 registers that the launch bounds leave.
extern "C" __global__ void __launch_bounds__(1024, 2) spills(const float* __restrict__ x, float* __restrict__ y) {
    float held[64];
#pragma unroll
    for (int i = 0; i < 64; ++i) { held[i] = x[i * 1024 + threadIdx.x]; }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 64; ++i) { y[i * 1024 + threadIdx.x] = held[63 - i] * held[i]; }
}
