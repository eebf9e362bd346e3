// The emulated tensor cores: mma.m16n8k8 on TF32.
//
// NVIDIA does not document how they round. Measured were (Fasi, Higham, Mikaitis, Pranesh 2021, PeerJ Computer Science 7:e330;
// Khattak, Mikaitis 2025, arXiv 2512.07004): products are exact; groups of 4 or more products are added to the accumulator at
// once, each summand cut, not rounded, where the bits of the largest end, with 0 to 3 bits to spare; the sum is cut to float32
// again. This is the least exact of these: groups of 4 and no bit to spare. So sums on a real device differ in their last
// bits, and what holds here holds there with room.
#include <cmath>
#include <cstring>

#include "block.h"

#pragma GCC optimize("O3")

namespace emu {

namespace {

struct Operands {
  float* d;           // [4] in and out
  const unsigned* a;  // [4]
  const unsigned* b;  // [2]
};

constexpr int kRows = 16, kColumns = 8, kDepth = 8, kTogether = 4;

// What the hardware takes of a TF32 operand: its low 13 bits count for nothing.
double operand(unsigned bits) { return static_cast<double>(__uint_as_float(bits & ~0x1fffu)); }

double from_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
uint64_t to_bits(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

// One row of d and of a, and all columns of b; columns side by side, for the compiler to do four at a time. All are finite.
void accumulate(double (&d)[kColumns], const double (&a)[kDepth], const double (&b)[kDepth][kColumns]) {
  for (int k = 0; k < kDepth; k += kTogether) {
    for (int c = 0; c < kColumns; c++) {
      double product[kTogether], largest = std::max(std::fabs(d[c]), 0x1p-126);
      for (int i = 0; i < kTogether; i++) {
        product[i] = a[k + i] * b[k + i][c];
        largest = std::max(largest, std::fabs(product[i]));
      }
      // The last bit of a float32 as large as the largest summand, 2^(e-23), and its inverse. Sums are below 5·2^24 of it.
      const uint64_t exponent = to_bits(largest) >> 52;
      const double bit = from_bits((exponent - 23) << 52), scale = from_bits((2046 + 23 - exponent) << 52);
      int sum = static_cast<int>(d[c] * scale);
      for (int i = 0; i < kTogether; i++) sum += static_cast<int>(product[i] * scale);
      d[c] = from_bits(to_bits(sum * bit) >> 29 << 29);  // 24 bits of the 53
    }
  }
}

// Fragments as PTX has them: lane 4·g + t holds rows g and g+8 of a and d, columns t and t+4 of a, 2t and 2t+1 of d, and
// rows t and t+4 of column g of b.
void compute(const Lanes& lanes) {
  double a[kRows][kDepth], b[kDepth][kColumns], d[kRows][kColumns];
  double plain = 0;  // finite when all are
  for (int l = 0; l < 32; l++) {
    const auto* o = reinterpret_cast<const Operands*>(lanes[l]);
    const int g = l / 4, t = l % 4;
    for (int i = 0; i < 4; i++) plain += std::fabs(a[g + i % 2 * 8][t + i / 2 * 4] = operand(o->a[i]));
    for (int i = 0; i < 4; i++) plain += std::fabs(d[g + i / 2 * 8][2 * t + i % 2] = o->d[i]);
    for (int i = 0; i < 2; i++) plain += std::fabs(b[t + i * 4][g] = operand(o->b[i]));
  }
  for (int r = 0; r < kRows; r++) {
    if (std::isfinite(plain)) {
      accumulate(d[r], a[r], b);
      continue;
    }
    for (int c = 0; c < kColumns; c++) {
      for (int k = 0; k < kDepth; k++) d[r][c] += a[r][k] * b[k][c];
    }
  }
  for (int l = 0; l < 32; l++) {
    const auto* o = reinterpret_cast<const Operands*>(lanes[l]);
    for (int i = 0; i < 4; i++) o->d[i] = static_cast<float>(d[l / 4 + i / 2 * 8][2 * (l % 4) + i % 2]);
  }
}

}  // namespace

void warp_mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  Operands mine{d, a, b};
  const MmaMeeting m = meet_for_mma(&mine);
  if (m.all) compute(*m.all);
  leave_mma(m);
}

}  // namespace emu
