// The one tensor-core instruction that our own kernels use: m16n8k16, bfloat16 in, float32 out; and
// what brings its operands from shared memory (ldmatrix).
//
// Lane l of a warp, g = l / 4, t = l % 4, holds (PTX ISA, "Matrix fragments for mma.m16n8k16"):
//   A [16, 16], row-major: a[0] = (g, 2t..2t+1), a[1] = (g+8, 2t..), a[2] = (g, 2t+8..),
//                          a[3] = (g+8, 2t+8..), two bfloat16 a word, the lower column in the low
//                          half
//   B [16, 8]: b[0] = rows 2t..2t+1 of column g, b[1] = rows 2t+8..2t+9 of column g
//   C, D [16, 8]: d[0..1] = (g, 2t..2t+1), d[2..3] = (g+8, 2t..2t+1)
#pragma once

#include "kernels/cuda/device_code.h"

namespace temper::kernels::cuda {

// d += a * b. Called by all lanes of a warp.
__device__ __forceinline__ void MmaBFloat16(float (&d)[4], const uint32_t (&a)[4],
                                            const uint32_t (&b)[2]) {
#ifdef __CUDACC__
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  temper_emulated_mma(d, a, b);
#endif
}

// Four 8 x 8 matrices of bfloat16 from shared memory; lane l gives the address of row l % 8 of
// matrix l / 8, 16 bytes on a multiple of 16. Of matrix i it gets to[i] = row g, columns 2t..2t+1,
// or transposed: rows 2t..2t+1 of column g. Called by all lanes of a warp.
template <bool kTransposed>
__device__ __forceinline__ void LoadMatrices(const uint16_t* row, uint32_t (&to)[4]) {
#ifdef __CUDACC__
  const auto at = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(at)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(at)
                 : "memory");
  }
#else
  temper_emulated_load_matrices(to, row, kTransposed);
#endif
}

// Operands in shared memory, rows of it `pitch` apart: A's 16 x 16 at `from`, k along rows ...
__device__ __forceinline__ void LoadA(const uint16_t* from, int pitch, uint32_t (&a)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  LoadMatrices<false>(from + (lane % 8 + lane / 8 % 2 * 8) * pitch + lane / 16 * 8, a);
}
// ... A where k goes from row to row: memory holds A transposed ...
__device__ __forceinline__ void LoadAOfColumns(const uint16_t* from, int pitch, uint32_t (&a)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  LoadMatrices<true>(from + (lane % 8 + lane / 16 * 8) * pitch + lane / 8 % 2 * 8, a);
}
// ... and two neighbouring B of 16 x 8, where a row of memory is a column of B ...
__device__ __forceinline__ void LoadTwoB(const uint16_t* from, int pitch, uint32_t (&b)[2][2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  uint32_t words[4];
  LoadMatrices<false>(from + (lane % 8 + lane / 16 * 8) * pitch + lane / 8 % 2 * 8, words);
  b[0][0] = words[0], b[0][1] = words[1], b[1][0] = words[2], b[1][1] = words[3];
}
// ... or one B at two neighbouring sixteens of k ...
__device__ __forceinline__ void LoadBOfTwoSteps(const uint16_t* from, int pitch,
                                                uint32_t (&first)[2], uint32_t (&second)[2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  uint32_t words[4];
  LoadMatrices<false>(from + lane % 8 * pitch + lane / 8 * 8, words);
  first[0] = words[0], first[1] = words[1], second[0] = words[2], second[1] = words[3];
}
// ... or a row of memory is a row of B.
__device__ __forceinline__ void LoadTwoBOfRows(const uint16_t* from, int pitch,
                                               uint32_t (&b)[2][2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  uint32_t words[4];
  LoadMatrices<true>(from + (lane % 8 + lane / 8 % 2 * 8) * pitch + lane / 16 * 8, words);
  b[0][0] = words[0], b[0][1] = words[1], b[1][0] = words[2], b[1][1] = words[3];
}

// Two values as one word, `low` in the low half.
__device__ __forceinline__ uint32_t PackBFloat16(float low, float high) {
  return static_cast<uint32_t>(ToBFloat16(low)) | static_cast<uint32_t>(ToBFloat16(high)) << 16;
}
// The same in one instruction; other bits only in the payload of a NaN.
__device__ __forceinline__ uint32_t RoundPair(float low, float high) {
#ifdef __CUDACC__
  uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(word) : "f"(high), "f"(low));
  return word;
#else
  return PackBFloat16(low, high);
#endif
}

}  // namespace temper::kernels::cuda
