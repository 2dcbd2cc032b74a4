// Weights come to the device: rows copied, or rounded to bfloat16.
#include <memory>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"
#include "kernels/cuda/packed_weight.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ void Store(float value, float* to) { *to = value; }
__device__ __forceinline__ void Store(float value, uint16_t* to) { *to = ToBFloat16(value); }
__device__ __forceinline__ void StoreFour(float4 value, float* to) {
  *reinterpret_cast<float4*>(to) = value;
}
__device__ __forceinline__ void StoreFour(float4 value, uint16_t* to) {
  *reinterpret_cast<uint2*>(to) = make_uint2(
      static_cast<uint32_t>(ToBFloat16(value.x)) | static_cast<uint32_t>(ToBFloat16(value.y)) << 16,
      static_cast<uint32_t>(ToBFloat16(value.z)) | static_cast<uint32_t>(ToBFloat16(value.w))
                                                       << 16);
}

// to [rows, from.cols], dense: from's rows, then zeros. 4 bytes read and 2 or 4 written a value:
// memory limits it, which 16 bytes a thread and turn fill.
template <class T>
__global__ void StoreRowsKernel(Matrix<const float> from, int64_t rows, T* to) {
  ForEachElement(rows, from.cols, [&](int64_t i, int64_t j) {
    Store(i < from.rows ? from.at(i, j) : 0.0f, to + i * from.cols + j);
  });
}
template <class T>
__global__ void StoreRowsByFourKernel(Matrix<const float> from, int64_t rows, T* to) {
  ForEachElement(rows, from.cols / 4, [&](int64_t i, int64_t j) {
    const float4 value = i < from.rows ? *reinterpret_cast<const float4*>(from.row(i) + 4 * j)
                                       : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    StoreFour(value, to + i * from.cols + 4 * j);
  });
}

template <class T>
void StoreRows(CudaStream& cuda, View<const float> from, int64_t rows, T* to) {
  const int64_t count = rows * from.cols;
  const bool by_four = from.cols % 4 == 0 && from.stride % 4 == 0 &&
                       reinterpret_cast<uintptr_t>(from.data) % 16 == 0 &&
                       reinterpret_cast<uintptr_t>(to) % (4 * sizeof(T)) == 0;
  if (by_four) {
    TEMPER_LAUNCH(StoreRowsByFourKernel<T>, cuda, BlocksForCount(cuda, count / 4, kThreads),
                  kThreads, 0, from, rows, to);
  } else {
    TEMPER_LAUNCH(StoreRowsKernel<T>, cuda, BlocksForCount(cuda, count, kThreads), kThreads, 0,
                  from, rows, to);
  }
}

std::unique_ptr<PackedWeight> MakePacked(Stream&, int64_t out, int64_t in, PackOptions options) {
  return std::make_unique<CudaPackedWeight>(out, in, options);
}

void PackRows(Stream& stream, int64_t first_row, View<const float> rows, PackedWeight& packed) {
  CudaStream& cuda = BeginOp(stream);
  auto& weight = static_cast<CudaPackedWeight&>(packed);
  const int64_t end = first_row + rows.rows;
  TEMPER_KERNEL_CHECK(rows.cols == weight.in() && first_row >= 0 && end <= weight.out());
  TEMPER_KERNEL_CHECK(first_row % kPackRows == 0 && (end % kPackRows == 0 || end == weight.out()));
  const int64_t first_value = first_row * weight.in();
  if (weight.dtype() == Dtype::kBFloat16) {
    StoreRows(cuda, rows, rows.rows, weight.values<uint16_t>() + first_value);
  } else {
    StoreRows(cuda, rows, rows.rows, weight.values<float>() + first_value);
  }
}

std::unique_ptr<PackedWeight> PackWeight(Stream& stream, View<const float> weight,
                                         PackOptions options) {
  auto packed = MakePacked(stream, weight.rows, weight.cols, options);
  PackRows(stream, 0, weight, *packed);
  return packed;
}

}  // namespace

void RoundRows(CudaStream& cuda, View<const float> from, int64_t rows, uint16_t* to) {
  StoreRows(cuda, from, rows, to);
}

void AddWeightOps(Ops& ops) {
  ops.make_packed = MakePacked;
  ops.pack_rows = PackRows;
  ops.pack_weight = PackWeight;
}

}  // namespace temper::kernels::cuda
