// Starts a kernel on a stream; the one place with CUDA's launch syntax.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/device_code.h"

namespace temper::kernels::cuda {

// A kernel's parameter by its bytes, none of which may be padding: that has no value. A struct with
// floats, or with padding after its last field, says by kFieldBytes how many are its fields'.
template <class T>
void NoteParameter(CudaStream& stream, const T& parameter) {
  if constexpr (requires { T::kFieldBytes; }) {
    static_assert(T::kFieldBytes <= sizeof(T) && sizeof(T) - T::kFieldBytes < alignof(T));
    stream.Note(&parameter, T::kFieldBytes);
  } else if constexpr (!std::is_empty_v<T>) {
    static_assert(std::is_arithmetic_v<T> || std::has_unique_object_representations_v<T>);
    stream.Note(parameter);
  }
}

template <class... Parameters>
void Start(const char* name, CudaStream& stream, void (*kernel)(Parameters...), dim3 grid,
           int threads, size_t shared_bytes, Parameters... parameters) {
  if (stream.notes()) {
    stream.Note(kernel);
    for (const int64_t size : {int64_t{grid.x}, int64_t{grid.y}, int64_t{grid.z}, int64_t{threads},
                               static_cast<int64_t>(shared_bytes)}) {
      stream.Note(size);
    }
    (NoteParameter(stream, parameters), ...);
    if (!stream.asks()) return;
  }
#ifdef __CUDACC__
  if (shared_bytes > size_t{48} << 10) {
    RequireSuccess(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                        static_cast<int>(shared_bytes)),
                   name);
  }
  kernel<<<grid, threads, shared_bytes, stream.handle()>>>(parameters...);
  RequireSuccess(cudaGetLastError(), name);
#else
  temper_emulated_launch(name, grid, threads, shared_bytes,
                         [kernel, parameters...] { kernel(parameters...); });
#endif
}

// Launch(stream, kernel, blocks, threads, shared bytes, arguments...). Nothing happens for a grid
// without blocks. Stops the process, with the kernel's name, where the device refuses it.
template <class... Parameters, class... Arguments>
void LaunchNamed(const char* name, CudaStream& stream, void (*kernel)(Parameters...), dim3 grid,
                 int threads, size_t shared_bytes, Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  Start<Parameters...>(name, stream, kernel, grid, threads, shared_bytes,
                       static_cast<Parameters>(std::forward<Arguments>(arguments))...);
}

#define TEMPER_LAUNCH(kernel, stream, ...) \
  ::temper::kernels::cuda::LaunchNamed(#kernel, stream, kernel, __VA_ARGS__)

}  // namespace temper::kernels::cuda
