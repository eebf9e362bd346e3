// ptx-check must refuse this: 0.1 without an f makes the product double.
extern "C" __global__ void doubles(const float* __restrict__ x, float* __restrict__ y) { y[threadIdx.x] = (float)(x[threadIdx.x] * 0.1); }
