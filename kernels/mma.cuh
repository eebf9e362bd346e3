// Tensor cores: the one instruction that is used, and how float32 becomes what it takes. Compute capability 8.0 and newer:
// files that include this have `variants: 80`. It is the only file with inline assembly (kernels_test.go looks): the emulator
// has a model of it in its place (emu/mma.cpp).
#pragma once

// x rounded to TF32, 11 significant bits, to nearest, ties away from zero, for mma, which ignores the other 13 bits: they are
// open. As cvt.rna, which devices so far do in whole numbers too. A NaN stays as it is: adding may carry it into a number.
static __device__ __forceinline__ unsigned to_tf32(float x) {
    return x == x ? __float_as_uint(x) + 0x1000u : __float_as_uint(x);
}

// d += a·b by a warp: [16, 8] += [16, 8]·[8, 8], a and b TF32 (of floats that are not, the low 13 bits are ignored), d float32.
// Lane 4·g + t has, of rows and columns: a (g, t), (g+8, t), (g, t+4), (g+8, t+4); b (t, g), (t+4, g); d (g, 2t), (g, 2t+1),
// (g+8, 2t), (g+8, 2t+1). All 32 lanes must call.
static __device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#ifdef __CUDACC__
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    emu::warp_mma_tf32(d, a, b);
#endif
}
