// The one tensor-core instruction that our own kernels use: m16n8k16, bfloat16 in, float32 out.
//
// Lane l of a warp, g = l / 4, t = l % 4, holds (PTX ISA, "Matrix fragments for mma.m16n8k16"):
//   A [16, 16], row-major: a[0] = (g, 2t..2t+1), a[1] = (g+8, 2t..), a[2] = (g, 2t+8..),
//                          a[3] = (g+8, 2t+8..), two bfloat16 a word, the lower column in the low half
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

// Two values as one word, `low` in the low half.
__device__ __forceinline__ uint32_t PackBFloat16(float low, float high) {
  return static_cast<uint32_t>(ToBFloat16(low)) | static_cast<uint32_t>(ToBFloat16(high)) << 16;
}

}  // namespace temper::kernels::cuda
