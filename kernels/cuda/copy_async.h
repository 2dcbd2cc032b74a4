// Copies from device memory to shared memory that run while a block computes (cp.async).
//
// FetchAsync..., CommitFetches closes a group of them, WaitForFetches<n> waits until all groups but
// the last n are there: for the thread that asked; a barrier shows them to the others. A kernel
// ends with none under way. The emulator copies as late as that allows.
#pragma once

#include "kernels/cuda/device_code.h"

#ifndef __CUDACC__
void temper_emulated_fetch(void* to, const void* from, int bytes);
void temper_emulated_commit_fetches();
void temper_emulated_wait_for_fetches(int pending);
#endif

namespace temper::kernels::cuda {

// 16 bytes at `to` become the first `bytes` (0 to 16) of `from`, and zeros. Both aligned to 16.
__device__ __forceinline__ void FetchAsync(void* to, const void* from, int bytes) {
#ifdef __CUDACC__
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(to))),
               "l"(from), "r"(bytes)
               : "memory");
#else
  temper_emulated_fetch(to, from, bytes);
#endif
}

__device__ __forceinline__ void CommitFetches() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;\n" ::: "memory");
#else
  temper_emulated_commit_fetches();
#endif
}

template <int kPending>
__device__ __forceinline__ void WaitForFetches() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
#else
  temper_emulated_wait_for_fetches(kPending);
#endif
}

}  // namespace temper::kernels::cuda
