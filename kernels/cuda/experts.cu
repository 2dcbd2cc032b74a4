// Takes tokens to their experts and sums what the experts made of them, forward and backward.
//
// Memory is the limit everywhere: each float that is read or written is so once, but that backward
// reads dy once for each of a token's experts (the others find it in the cache).
#include <cstdint>
#include <span>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kColumnsPerBlock = 4 * kThreads;

__device__ __forceinline__ int64_t FirstColumn() {
  return static_cast<int64_t>(blockIdx.y) * kColumnsPerBlock + 4 * static_cast<int>(threadIdx.x);
}

// Columns [column, column + 4) of a row, of those that it has; the rest are zeros. aligned: whole.
__device__ __forceinline__ float4 LoadQuad(const float* row, int64_t column, int64_t cols,
                                           bool aligned) {
  if (aligned) return *reinterpret_cast<const float4*>(row + column);
  float4 quad = make_float4(row[column], 0.0f, 0.0f, 0.0f);
  if (column + 1 < cols) quad.y = row[column + 1];
  if (column + 2 < cols) quad.z = row[column + 2];
  if (column + 3 < cols) quad.w = row[column + 3];
  return quad;
}
__device__ __forceinline__ void StoreQuad(const float4& quad, int64_t column, int64_t cols,
                                          bool aligned, float* row) {
  if (aligned) {
    *reinterpret_cast<float4*>(row + column) = quad;
    return;
  }
  row[column] = quad.x;
  if (column + 1 < cols) row[column + 1] = quad.y;
  if (column + 2 < cols) row[column + 2] = quad.z;
  if (column + 3 < cols) row[column + 3] = quad.w;
}

// A row a block in x, four columns a thread.
__global__ void GatherKernel(Matrix<const float> x, const int32_t* rows, Matrix<float> y,
                             bool aligned) {
  const int64_t column = FirstColumn();
  if (column >= y.cols) return;
  StoreQuad(LoadQuad(x.row(rows[blockIdx.x]), column, y.cols, aligned), column, y.cols, aligned,
            y.row(blockIdx.x));
}

// The same; the sum is one chain of fused multiply-adds from zero, y is added last.
__global__ void CombineKernel(Matrix<const float> x, const int32_t* slots, int64_t chosen,
                              const float* weight, Matrix<float> y, bool add, bool aligned) {
  const int64_t column = FirstColumn();
  if (column >= y.cols) return;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * chosen;
  float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll 4
  for (int64_t j = first; j < first + chosen; ++j) {
    const float w = weight == nullptr ? 1.0f : weight[j];
    const float4 from = LoadQuad(x.row(slots[j]), column, y.cols, aligned);
    sum = make_float4(fmaf(w, from.x, sum.x), fmaf(w, from.y, sum.y), fmaf(w, from.z, sum.z),
                      fmaf(w, from.w, sum.w));
  }
  float* const row = y.row(blockIdx.x);
  if (add) {
    const float4 before = LoadQuad(row, column, y.cols, aligned);
    sum = make_float4(before.x + sum.x, before.y + sum.y, before.z + sum.z, before.w + sum.w);
  }
  StoreQuad(sum, column, y.cols, aligned, row);
}

// A slot a block. The dot product: a chain a thread and column of four, then their tree.
__global__ void CombineBackwardKernel(Matrix<const float> x, const int32_t* slots, int64_t chosen,
                                      const float* weight, Matrix<const float> dy, Matrix<float> dx,
                                      float* d_weight, bool aligned) {
  __shared__ float shared[kThreads / kWarp];
  const int64_t slot = slots[blockIdx.x];
  const float* const gradient = dy.row(static_cast<int64_t>(blockIdx.x) / chosen);
  const float* const from = x.row(slot);
  const float w = weight == nullptr ? 1.0f : weight[blockIdx.x];
  float4 dot = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  for (int64_t column = 4 * static_cast<int>(threadIdx.x); column < dy.cols;
       column += kColumnsPerBlock) {
    const float4 d = LoadQuad(gradient, column, dy.cols, aligned);
    if (d_weight != nullptr) {
      const float4 value = LoadQuad(from, column, dy.cols, aligned);
      dot = make_float4(fmaf(d.x, value.x, dot.x), fmaf(d.y, value.y, dot.y),
                        fmaf(d.z, value.z, dot.z), fmaf(d.w, value.w, dot.w));
    }
    StoreQuad(make_float4(w * d.x, w * d.y, w * d.z, w * d.w), column, dy.cols, aligned,
              dx.row(slot));
  }
  if (d_weight == nullptr) return;
  const float sum = BlockSum((dot.x + dot.y) + (dot.z + dot.w), shared, kThreads);
  if (threadIdx.x == 0) d_weight[blockIdx.x] = sum;
}

template <class T>
bool QuadsAligned(const View<T>& view) {
  return reinterpret_cast<uintptr_t>(view.data) % sizeof(float4) == 0 && view.stride % 4 == 0 &&
         view.cols % 4 == 0;
}

dim3 GridFor(const View<float>& y) {
  return dim3(static_cast<unsigned>(y.rows),
              static_cast<unsigned>((y.cols + kColumnsPerBlock - 1) / kColumnsPerBlock));
}

void Gather(CudaStream& cuda, View<const float> x, const int32_t* rows, View<float> y) {
  TEMPER_KERNEL_CHECK(x.cols == y.cols);
  TEMPER_LAUNCH(GatherKernel, cuda, GridFor(y), kThreads, 0, x, rows, y,
                QuadsAligned(x) && QuadsAligned(y));
}

void GatherRows(Stream& stream, View<const float> x, std::span<const int32_t> rows, View<float> y) {
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(rows.size()) == y.rows);
  for (const int32_t row : rows) TEMPER_KERNEL_CHECK(row >= 0 && row < x.rows);
  CudaStream& cuda = BeginOp(stream);
  Gather(cuda, x, cuda.Upload(rows), y);
}

void GatherSlots(Stream& stream, View<const float> x, const int32_t* rows, View<float> y) {
  Gather(BeginOp(stream), x, rows, y);
}

void CombineRows(Stream& stream, View<const float> x, const int32_t* slots, int64_t chosen,
                 const float* weight, View<float> y, Write write) {
  TEMPER_KERNEL_CHECK(x.cols == y.cols);
  CudaStream& cuda = BeginOp(stream);
  TEMPER_LAUNCH(CombineKernel, cuda, GridFor(y), kThreads, 0, x, slots, chosen, weight, y,
                write == Write::kAdd, QuadsAligned(x) && QuadsAligned(y));
}

void CombineRowsBackward(Stream& stream, View<const float> x, const int32_t* slots, int64_t chosen,
                         const float* weight, View<const float> dy, View<float> dx,
                         float* d_weight) {
  TEMPER_KERNEL_CHECK(x.cols == dy.cols && dx.cols == dy.cols && dx.rows == x.rows);
  CudaStream& cuda = BeginOp(stream);
  TEMPER_LAUNCH(CombineBackwardKernel, cuda, dim3(static_cast<unsigned>(dy.rows * chosen)),
                kThreads, 0, x, slots, chosen, weight, dy, dx, d_weight,
                QuadsAligned(x) && QuadsAligned(dy) && QuadsAligned(dx));
}

}  // namespace

void AddExpertOps(Ops& ops) {
  ops.gather_rows = GatherRows;
  ops.gather_slots = GatherSlots;
  ops.combine_rows = CombineRows;
  ops.combine_rows_backward = CombineRowsBackward;
}

}  // namespace temper::kernels::cuda
