// Adds a bias to every row, and sums its gradient over the rows of a call, one chain a column.
#include <algorithm>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"

namespace temper::kernels::cpu {
namespace {

// Columns that one thread sums; each sees all rows in order.
constexpr int64_t kColumnBlock = 64;

// Rows of a range worth a thread's while.
int64_t RowsPerItem(int64_t cols) { return 1 + 16384 / (cols + 1); }

}  // namespace

void AddBias(Stream& stream, const float* bias, View<float> y) {
  Cpu(stream).pool().ParallelRanges(y.rows, RowsPerItem(y.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* const row = y.row(i);
      for (int64_t j = 0; j < y.cols; ++j) row[j] += bias[j];
    }
  });
}

void BiasBackward(Stream& stream, View<const float> dy, float* bias_gradient) {
  Cpu(stream).pool().ParallelRanges(dy.cols, kColumnBlock, [&](int64_t begin, int64_t end) {
    float sums[kColumnBlock] = {};
    for (int64_t i = 0; i < dy.rows; ++i) {
      const float* const row = dy.row(i) + begin;
      for (int64_t j = 0; j < end - begin; ++j) sums[j] += row[j];
    }
    for (int64_t j = begin; j < end; ++j) bias_gradient[j] += sums[j - begin];
  });
}

}  // namespace temper::kernels::cpu
