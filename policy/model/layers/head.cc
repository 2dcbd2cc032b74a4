// Works through predictions in blocks, so that memory does not grow with tokens times vocabulary.
#include "policy/model/layers/head.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace temper::model {

using kernels::View;
using kernels::Write;

namespace {
// Enough rows that reading the projection costs little beside the arithmetic; 32 MB at most.
constexpr int64_t kBlockRowsMax = 256;
constexpr int64_t kBlockRowsMin = 16;
constexpr int64_t kBlockFloats = int64_t{8} << 20;
}  // namespace

Head::Head(const ModelConfig& config, const ParameterLayout& layout)
    : config_(config), layout_(layout) {}

int64_t Head::BlockRows(int64_t predictions) const {
  const int64_t rows =
      std::clamp(kBlockFloats / config_.output_rows(), kBlockRowsMin, kBlockRowsMax);
  return std::min(rows, predictions);
}

void Head::Normalize(const Pass& pass, View<const float> h, std::span<const int32_t> rows,
                     int64_t first_row, View<float> input, View<float> normed) {
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(input.row(i), h.row(rows[i] - first_row), h.cols * sizeof(float));
  }
  pass.ops.rms_norm(pass.stream, input, pass.weights.at(layout_.final_norm()), config_.norm_epsilon,
                    normed, rstd_.Floats(input.rows));
}

void Head::Logits(const Pass& pass, View<const float> h, std::span<const int32_t> rows,
                  View<float> logits) {
  const int64_t count = static_cast<int64_t>(rows.size());
  const View<float> normed = normed_.Matrix(count, config_.hidden_size);
  Normalize(pass, h, rows, 0, input_.Matrix(count, config_.hidden_size), normed);
  pass.ops.matmul(pass.stream, normed, pass.weights.matrix(layout_.head()), logits,
                  Write::kReplace);
}

Head::Block Head::Compute(const Pass& pass, View<const float> h, const Predictions& predictions,
                          int64_t first, float* logprob, float* entropy) {
  const int64_t total = static_cast<int64_t>(predictions.rows.size());
  Block block{.first = first, .count = std::min(BlockRows(total), total - first)};
  block.input = input_.Matrix(block.count, config_.hidden_size);
  block.normed = normed_.Matrix(block.count, config_.hidden_size);
  block.logits = logits_.Matrix(block.count, config_.output_rows());
  block.lse = lse_.Floats(block.count);
  Normalize(pass, h, predictions.rows.subspan(first, block.count), predictions.first_row,
            block.input, block.normed);
  pass.ops.matmul(pass.stream, block.normed, pass.weights.matrix(layout_.head()), block.logits,
                  Write::kReplace);
  pass.ops.target_log_prob(pass.stream, block.logits,
                           predictions.targets.subspan(first, block.count), predictions.temperature,
                           logprob, entropy, block.lse);
  return block;
}

void Head::Score(const Pass& pass, View<const float> h, const Predictions& predictions,
                 std::span<float> logprob, std::span<float> entropy) {
  const int64_t total = static_cast<int64_t>(predictions.rows.size());
  for (int64_t first = 0; first < total;) {
    float* place = entropy.empty() ? nullptr : entropy.data() + first;
    first += Compute(pass, h, predictions, first, logprob.data() + first, place).count;
  }
}

void Head::Train(const Pass& pass, View<const float> h, const Predictions& predictions,
                 TokenLoss loss, View<float> dh, float* gradients) {
  const int64_t total = static_cast<int64_t>(predictions.rows.size());
  const int64_t rows = total > 0 ? BlockRows(total) : 0;
  logprob_.resize(rows);
  entropy_.resize(rows);
  for (int64_t first = 0; first < total;) {
    const Block block = Compute(pass, h, predictions, first, logprob_.data(), entropy_.data());
    d_logprob_.assign(block.count, 0.0f);
    d_entropy_.assign(block.count, 0.0f);
    loss(first, std::span(logprob_).first(block.count), std::span(entropy_).first(block.count),
         d_logprob_, d_entropy_);
    Backward(pass, block, predictions, dh, gradients);
    first += block.count;
  }
}

void Head::Backward(const Pass& pass, const Block& block, const Predictions& predictions,
                    View<float> dh, float* gradients) {
  pass.ops.target_log_prob_backward(
      pass.stream, block.logits, predictions.targets.subspan(block.first, block.count),
      predictions.temperature, block.lse, entropy_.data(), d_logprob_.data(), d_entropy_.data());
  BackwardLogits(pass, block, predictions.rows.subspan(block.first, block.count),
                 predictions.first_row, dh, gradients);
}

// All values at once: a loss may compare any two.
void Head::TrainValues(const Pass& pass, View<const float> h, std::span<const int32_t> rows,
                       ValueLoss loss, View<float> dh, float* gradients) {
  const int64_t count = static_cast<int64_t>(rows.size());
  Block block{.count = count};
  block.input = input_.Matrix(count, config_.hidden_size);
  block.normed = normed_.Matrix(count, config_.hidden_size);
  block.logits = logits_.Matrix(count, 1);
  Normalize(pass, h, rows, 0, block.input, block.normed);
  pass.ops.matmul(pass.stream, block.normed, pass.weights.matrix(layout_.head()), block.logits,
                  Write::kReplace);
  const std::vector<float> values(block.logits.data, block.logits.data + count);
  std::fill_n(block.logits.data, count, 0.0f);
  loss(values, std::span(block.logits.data, static_cast<size_t>(count)));
  BackwardLogits(pass, block, rows, 0, dh, gradients);
}

void Head::BackwardLogits(const Pass& pass, const Block& block, std::span<const int32_t> rows,
                          int64_t first_row, View<float> dh, float* gradients) {
  const kernels::Ops& ops = pass.ops;
  const int64_t hidden = config_.hidden_size;
  const View<float>& d_logits = block.logits;
  ops.matmul_backward_weight(
      pass.stream, block.normed, d_logits,
      View<float>(gradients + layout_.head(), config_.output_rows(), hidden));
  const View<float> d_normed = d_normed_.Matrix(block.count, hidden);
  ops.matmul_backward_input(pass.stream, d_logits, pass.weights.matrix(layout_.head()), d_normed,
                            Write::kReplace);
  const View<float> d_input = d_input_.Matrix(block.count, hidden);
  std::fill_n(d_input.data, block.count * hidden, 0.0f);
  ops.rms_norm_backward(pass.stream, block.input, pass.weights.at(layout_.final_norm()),
                        rstd_.Floats(block.count), d_normed, d_input,
                        gradients + layout_.final_norm());
  for (int64_t i = 0; i < block.count; ++i) {
    float* row = dh.row(rows[i] - first_row);
    for (int64_t c = 0; c < hidden; ++c) row[c] += d_input.row(i)[c];
  }
}

}  // namespace temper::model
