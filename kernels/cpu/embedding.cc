// Looks rows up in the embedding table, and adds their gradients up in token order.
#include <algorithm>
#include <bit>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"

namespace temper::kernels::cpu {
namespace {

// Columns that one thread takes in the backward pass; each sees all tokens in order.
constexpr int64_t kColumnBlock = 128;

}  // namespace

void Embed(Stream& stream, std::span<const int32_t> tokens, View<const float> table,
           View<float> y) {
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(tokens.size()) == y.rows && table.cols == y.cols);
  Cpu(stream).pool().ParallelRanges(y.rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      TEMPER_KERNEL_CHECK(tokens[i] >= 0 && tokens[i] < table.rows);
      std::copy_n(table.row(tokens[i]), y.cols, y.row(i));
    }
  });
}

void EmbedBFloat16(Stream& stream, std::span<const int32_t> tokens, View<const uint16_t> table,
                   View<float> y) {
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(tokens.size()) == y.rows && table.cols == y.cols);
  Cpu(stream).pool().ParallelRanges(y.rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      TEMPER_KERNEL_CHECK(tokens[i] >= 0 && tokens[i] < table.rows);
      const uint16_t* const from = table.row(tokens[i]);
      float* const to = y.row(i);
      for (int64_t j = 0; j < y.cols; ++j) to[j] = std::bit_cast<float>(uint32_t{from[j]} << 16);
    }
  });
}

void EmbedBackward(Stream& stream, std::span<const int32_t> tokens, View<const float> dy,
                   View<float> table_gradient) {
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(tokens.size()) == dy.rows);
  TEMPER_KERNEL_CHECK(table_gradient.cols == dy.cols);
  Cpu(stream).pool().ParallelRanges(dy.cols, kColumnBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < dy.rows; ++i) {
      TEMPER_KERNEL_CHECK(tokens[i] >= 0 && tokens[i] < table_gradient.rows);
      const float* const from = dy.row(i);
      float* const to = table_gradient.row(tokens[i]);
      for (int64_t j = begin; j < end; ++j) to[j] += from[j];
    }
  });
}

}  // namespace temper::kernels::cpu
