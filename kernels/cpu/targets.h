// Limits the instruction sets every kernel is compiled for: AVX-512, AVX2 and plain scalar.
//
// Include first in every file that uses Highway's foreach_target.h. AVX2 and AVX-512 give the same
// bits in forward ops; scalar code has no fused multiply-add and is only a fallback that always
// works.
#pragma once

#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#endif
