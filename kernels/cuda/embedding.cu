// Looks rows up in the embedding table, and adds their gradients up in token order.
#include <algorithm>
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/fours.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kBackwardThreads = 128;

// A block a row. Bytes: the row read and written once; nothing else counts.
template <bool kAligned>
__global__ void EmbedKernel(const int32_t* tokens, Matrix<const float> table, Matrix<float> y) {
  const float* const from = table.row(tokens[blockIdx.x]);
  float* const to = y.row(blockIdx.x);
  for (int64_t j = 4 * threadIdx.x; j < y.cols; j += 4 * kThreads) {
    StoreFour<kAligned>(LoadFour<kAligned>(from, j, y.cols), to, j, y.cols);
  }
}

// The four values of bfloat16 that begin at column j.
template <bool kAligned>
__device__ __forceinline__ Four LoadBFloat16(const uint16_t* row, int64_t j, int64_t cols) {
  Four four;
  if constexpr (kAligned) {
    const uint2 bits = *reinterpret_cast<const uint2*>(row + j);
    four.v[0] = __uint_as_float(bits.x << 16);
    four.v[1] = __uint_as_float(bits.x & 0xffff0000u);
    four.v[2] = __uint_as_float(bits.y << 16);
    four.v[3] = __uint_as_float(bits.y & 0xffff0000u);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) four.v[i] = j + i < cols ? FromBFloat16(row[j + i]) : 0.0f;
  }
  return four;
}

template <bool kAligned>
__global__ void EmbedBFloat16Kernel(const int32_t* tokens, Matrix<const uint16_t> table,
                                    Matrix<float> y) {
  const uint16_t* const from = table.row(tokens[blockIdx.x]);
  float* const to = y.row(blockIdx.x);
  for (int64_t j = 4 * threadIdx.x; j < y.cols; j += 4 * kThreads) {
    StoreFour<kAligned>(LoadBFloat16<kAligned>(from, j, y.cols), to, j, y.cols);
  }
}

// The rows of dy that a token has: rows[begin .. end), in token order.
struct TokenRows {
  int32_t token, begin, end;
};

// A block takes one token and kBackwardThreads columns; each column is one chain of additions in
// token order, as the op promises. A token that is a tenth of a batch makes a long chain: the loop
// is unrolled for the loads, which do not wait for the sums.
__global__ void EmbedBackwardKernel(const TokenRows* groups, const int32_t* rows,
                                    Matrix<const float> dy, Matrix<float> table_gradient) {
  const TokenRows group = groups[blockIdx.x];
  const int64_t j = static_cast<int64_t>(blockIdx.y) * kBackwardThreads + threadIdx.x;
  if (j >= dy.cols) return;
  float sum = table_gradient.at(group.token, j);
#pragma unroll 8
  for (int32_t i = group.begin; i < group.end; ++i) sum += dy.at(rows[i], j);
  table_gradient.at(group.token, j) = sum;
}

const int32_t* UploadTokens(CudaStream& cuda, std::span<const int32_t> tokens, int64_t vocab) {
  for (const int32_t token : tokens) TEMPER_KERNEL_CHECK(token >= 0 && token < vocab);
  return cuda.Upload(tokens);
}

void Embed(Stream& stream, std::span<const int32_t> tokens, View<const float> table,
           View<float> y) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(tokens.size()) == y.rows && table.cols == y.cols);
  const int32_t* const uploaded = UploadTokens(cuda, tokens, table.rows);
  const dim3 grid(static_cast<unsigned>(y.rows));
  if (InFours(table) && InFours(y)) {
    TEMPER_LAUNCH(EmbedKernel<true>, cuda, grid, kThreads, 0, uploaded, table, y);
  } else {
    TEMPER_LAUNCH(EmbedKernel<false>, cuda, grid, kThreads, 0, uploaded, table, y);
  }
}

void EmbedBFloat16(Stream& stream, std::span<const int32_t> tokens, View<const uint16_t> table,
                   View<float> y) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(tokens.size()) == y.rows && table.cols == y.cols);
  const int32_t* const uploaded = UploadTokens(cuda, tokens, table.rows);
  const dim3 grid(static_cast<unsigned>(y.rows));
  if (InFours(table) && InFours(y)) {
    TEMPER_LAUNCH(EmbedBFloat16Kernel<true>, cuda, grid, kThreads, 0, uploaded, table, y);
  } else {
    TEMPER_LAUNCH(EmbedBFloat16Kernel<false>, cuda, grid, kThreads, 0, uploaded, table, y);
  }
}

void EmbedBackward(Stream& stream, std::span<const int32_t> tokens, View<const float> dy,
                   View<float> table_gradient) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(tokens.size()) == dy.rows);
  TEMPER_KERNEL_CHECK(table_gradient.cols == dy.cols);
  std::vector<int32_t> rows(tokens.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    TEMPER_KERNEL_CHECK(tokens[i] >= 0 && tokens[i] < table_gradient.rows);
    rows[i] = static_cast<int32_t>(i);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [&](int32_t a, int32_t b) { return tokens[a] < tokens[b]; });
  std::vector<TokenRows> groups;
  for (int32_t i = 0; i < static_cast<int32_t>(rows.size()); ++i) {
    const int32_t token = tokens[rows[i]];
    if (groups.empty() || groups.back().token != token) groups.push_back({token, i, i});
    groups.back().end = i + 1;
  }
  const TokenRows* const uploaded_groups = cuda.Upload(std::span<const TokenRows>(groups));
  const int32_t* const uploaded_rows = cuda.Upload(std::span<const int32_t>(rows));
  const int64_t columns = (dy.cols + kBackwardThreads - 1) / kBackwardThreads;
  const dim3 grid(static_cast<unsigned>(groups.size()), static_cast<unsigned>(columns));
  TEMPER_LAUNCH(EmbedBackwardKernel, cuda, grid, kBackwardThreads, 0, uploaded_groups,
                uploaded_rows, dy, table_gradient);
}

}  // namespace

void AddEmbeddingOps(Ops& ops) {
  ops.embed = Embed;
  ops.embed_backward = EmbedBackward;
  ops.embed_bfloat16 = EmbedBFloat16;
}

}  // namespace temper::kernels::cuda
