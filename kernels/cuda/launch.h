// Starts a kernel on a stream; the one place with CUDA's launch syntax.
#pragma once

#include <cstddef>
#include <utility>

#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/device_code.h"

namespace temper::kernels::cuda {

// Launch(stream, kernel, blocks, threads, shared bytes, arguments...). Nothing happens for a grid
// without blocks. Stops the process, with the kernel's name, where the device refuses it.
#ifdef __CUDACC__
template <class... Parameters, class... Arguments>
void LaunchNamed(const char* name, CudaStream& stream, void (*kernel)(Parameters...), dim3 grid,
                 int threads, size_t shared_bytes, Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  if (shared_bytes > size_t{48} << 10) {
    RequireSuccess(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                        static_cast<int>(shared_bytes)),
                   name);
  }
  kernel<<<grid, threads, shared_bytes, stream.handle()>>>(std::forward<Arguments>(arguments)...);
  RequireSuccess(cudaGetLastError(), name);
}
#else
template <class... Parameters, class... Arguments>
void LaunchNamed(const char* name, CudaStream&, void (*kernel)(Parameters...), dim3 grid,
                 int threads, size_t shared_bytes, Arguments&&... arguments) {
  temper_emulated_launch(name, grid, threads, shared_bytes,
                         [&] { kernel(static_cast<Parameters>(arguments)...); });
}
#endif

#define TEMPER_LAUNCH(kernel, stream, ...) \
  ::temper::kernels::cuda::LaunchNamed(#kernel, stream, kernel, __VA_ARGS__)

}  // namespace temper::kernels::cuda
