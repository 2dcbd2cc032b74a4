// Works through predictions in blocks, so that memory does not grow with tokens times vocabulary.
#include "policy/model/layers/head.h"

#include <algorithm>

#include "base/check.h"

namespace temper::model {

using kernels::Place;
using kernels::View;
using kernels::Write;

namespace {
// Enough rows that reading the projection costs little beside the arithmetic; 32 MB at most.
constexpr int64_t kBlockRowsMax = 256;
constexpr int64_t kBlockRowsMin = 16;
constexpr int64_t kBlockFloats = int64_t{8} << 20;
}  // namespace

Head::Head(const ModelConfig& config, const ParameterLayout& layout, kernels::Device& device)
    : config_(config),
      layout_(layout),
      input_(device),
      normed_(device),
      rstd_(device),
      logits_(device),
      lse_(device),
      d_normed_(device),
      d_input_(device),
      logprob_(device, Place::kHost),
      entropy_(device, Place::kHost),
      d_logprob_(device, Place::kHost),
      d_entropy_(device, Place::kHost) {}

int64_t Head::BlockRows(int64_t predictions) const {
  const int64_t rows =
      std::clamp(kBlockFloats / config_.output_rows(), kBlockRowsMin, kBlockRowsMax);
  return std::min(rows, predictions);
}

std::span<const int32_t> Head::Counted(std::span<const int32_t> rows, int64_t first_row) {
  block_rows_.clear();
  for (const int32_t row : rows) block_rows_.push_back(row - static_cast<int32_t>(first_row));
  return block_rows_;
}

void Head::Normalize(const Pass& pass, View<const float> h, std::span<const int32_t> rows,
                     int64_t first_row, View<float> input, View<float> normed) {
  pass.ops.gather_rows(pass.stream, h, Counted(rows, first_row), input);
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
                          int64_t first, bool entropy) {
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
                           logprob_.Floats(block.count),
                           entropy ? entropy_.Floats(block.count) : nullptr, block.lse);
  return block;
}

void Head::Score(const Pass& pass, View<const float> h, const Predictions& predictions,
                 std::span<float> logprob, std::span<float> entropy) {
  const int64_t total = static_cast<int64_t>(predictions.rows.size());
  for (int64_t first = 0; first < total;) {
    const int64_t count = Compute(pass, h, predictions, first, !entropy.empty()).count;
    pass.device.Finish();
    std::copy_n(logprob_.Floats(count), count, logprob.data() + first);
    if (!entropy.empty()) std::copy_n(entropy_.Floats(count), count, entropy.data() + first);
    first += count;
  }
}

void Head::Train(const Pass& pass, View<const float> h, const Predictions& predictions,
                 TokenLoss loss, View<float> dh, float* gradients) {
  const int64_t total = static_cast<int64_t>(predictions.rows.size());
  for (int64_t first = 0; first < total;) {
    const Block block = Compute(pass, h, predictions, first, /*entropy=*/true);
    const auto of_block = [&block](Buffer& buffer) {
      return std::span(buffer.Floats(block.count), static_cast<size_t>(block.count));
    };
    std::ranges::fill(of_block(d_logprob_), 0.0f);
    std::ranges::fill(of_block(d_entropy_), 0.0f);
    pass.device.Finish();
    loss(first, of_block(logprob_), of_block(entropy_), of_block(d_logprob_), of_block(d_entropy_));
    Backward(pass, block, predictions, dh, gradients);
    first += block.count;
  }
}

void Head::Backward(const Pass& pass, const Block& block, const Predictions& predictions,
                    View<float> dh, float* gradients) {
  pass.ops.target_log_prob_backward(
      pass.stream, block.logits, predictions.targets.subspan(block.first, block.count),
      predictions.temperature, block.lse, entropy_.Floats(block.count),
      d_logprob_.Floats(block.count), d_entropy_.Floats(block.count));
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
  std::vector<float> values(count), d_values(count, 0.0f);
  const int64_t bytes = count * static_cast<int64_t>(sizeof(float));
  pass.device.Copy(values.data(), block.logits.data, bytes);
  pass.device.Finish();
  loss(values, d_values);
  pass.device.Copy(block.logits.data, d_values.data(), bytes);
  BackwardLogits(pass, block, rows, 0, dh, gradients);
  pass.device.Finish();  // d_values goes
}

void Head::BackwardLogits(const Pass& pass, const Block& block, std::span<const int32_t> rows,
                          int64_t first_row, View<float> dh, float* gradients) {
  const kernels::Ops& ops = pass.ops;
  const int64_t hidden = config_.hidden_size;
  const View<float>& d_logits = block.logits;
  ops.matmul_backward_weight(
      pass.stream, block.normed, d_logits, pass.weights.matrix(layout_.head()).dtype(),
      View<float>(gradients + layout_.head(), config_.output_rows(), hidden));
  const View<float> d_normed = d_normed_.Matrix(block.count, hidden);
  ops.matmul_backward_input(pass.stream, d_logits, pass.weights.matrix(layout_.head()), d_normed,
                            Write::kReplace);
  const View<float> d_input = d_input_.Matrix(block.count, hidden);
  ZeroMatrix(pass.device, d_input);
  ops.rms_norm_backward(pass.stream, block.input, pass.weights.at(layout_.final_norm()),
                        rstd_.Floats(block.count), d_normed, d_input,
                        gradients + layout_.final_norm());
  // Rows of dh are to the block what rows of a table are to tokens.
  ops.embed_backward(pass.stream, Counted(rows, first_row), d_input, dh);
}

}  // namespace temper::model
