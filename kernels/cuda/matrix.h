// A View as kernels take it, and the loop over its elements.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/device_code.h"
#include "kernels/view.h"

namespace temper::kernels::cuda {

// [rows, cols], row-major, row i at data + i * stride. As View, whose functions are the host's.
template <class T>
struct Matrix {
  T* data = nullptr;
  int64_t rows = 0, cols = 0, stride = 0;

  Matrix() = default;
  // Implicit: a kernel's arguments are written as the op's.
  template <class U>
  Matrix(const View<U>& view)
      : data(view.data), rows(view.rows), cols(view.cols), stride(view.stride) {}

  __device__ __forceinline__ T* row(int64_t i) const { return data + i * stride; }
  __device__ __forceinline__ T& at(int64_t i, int64_t j) const { return data[i * stride + j]; }
};

// body(i, j) for every element, over all threads of a one-dimensional grid.
template <class Body>
__device__ __forceinline__ void ForEachElement(int64_t rows, int64_t cols, Body body) {
  const int64_t count = rows * cols;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t e = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; e < count;
       e += step) {
    body(e / cols, e % cols);
  }
}

// Enough blocks to fill the device, no more than there are elements for.
inline dim3 BlocksForCount(const CudaStream& stream, int64_t count, int threads) {
  const int64_t wanted = (count + threads - 1) / threads;
  return dim3(static_cast<unsigned>(std::min<int64_t>(wanted, 16 * stream.multiprocessors())));
}
template <class T>
dim3 BlocksFor(const CudaStream& stream, const View<T>& view, int threads) {
  return BlocksForCount(stream, view.rows * view.cols, threads);
}

}  // namespace temper::kernels::cuda
