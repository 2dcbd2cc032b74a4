// The end of the model: final norm, vocabulary projection and log-probabilities, in blocks of rows.
//
// A reward head is a projection to one row: Logits() gives its values and TrainValues() goes back;
// Score() and Train() are not for it.
// [rows, vocab] exists for one block at a time only.
#pragma once

#include "policy/model/hybrid_model.h"
#include "policy/model/layers/pass.h"

namespace temper::model {

// The tokens to be predicted: row rows[i] - first_row of the hidden states predicts targets[i].
struct Predictions {
  std::span<const int32_t> rows;
  std::span<const int32_t> targets;
  int64_t first_row = 0;
  float temperature = 1.0f;
};

class Head {
 public:
  Head(const ModelConfig& config, const ParameterLayout& layout, kernels::Device& device);

  // logits[i] = those after row rows[i] of h.  h: [any, hidden]  logits: [rows, vocab], the device's
  void Logits(const Pass& pass, kernels::View<const float> h, std::span<const int32_t> rows,
              kernels::View<float> logits);
  // entropy may be empty.
  void Score(const Pass& pass, kernels::View<const float> h, const Predictions& predictions,
             std::span<float> logprob, std::span<float> entropy);
  // Scores, asks the loss, goes back: dh [rows of h, hidden] accumulates, and so do the gradients.
  // Waits for the device before the loss, at least once.
  void Train(const Pass& pass, kernels::View<const float> h, const Predictions& predictions,
             TokenLoss loss, kernels::View<float> dh, float* gradients);
  // The same with values after `rows`, ascending, for a reward head.
  void TrainValues(const Pass& pass, kernels::View<const float> h, std::span<const int32_t> rows,
                   ValueLoss loss, kernels::View<float> dh, float* gradients);

 private:
  struct Block {
    int64_t first = 0, count = 0;
    kernels::View<float> input, normed, logits;
    float* lse = nullptr;
  };
  int64_t BlockRows(int64_t predictions) const;
  // `rows`, counted from first_row; valid until the next call.
  std::span<const int32_t> Counted(std::span<const int32_t> rows, int64_t first_row);
  void Normalize(const Pass& pass, kernels::View<const float> h, std::span<const int32_t> rows,
                 int64_t first_row, kernels::View<float> input, kernels::View<float> normed);
  // Leaves logprob_ and entropy_ to be read after Device::Finish().
  Block Compute(const Pass& pass, kernels::View<const float> h, const Predictions& predictions,
                int64_t first, bool entropy);
  void Backward(const Pass& pass, const Block& block, const Predictions& predictions,
                kernels::View<float> dh, float* gradients);
  // The block's logits are their gradients by now. dh row rows[i] - first_row takes row i's.
  void BackwardLogits(const Pass& pass, const Block& block, std::span<const int32_t> rows,
                      int64_t first_row, kernels::View<float> dh, float* gradients);

  const ModelConfig& config_;
  const ParameterLayout& layout_;
  Buffer input_, normed_, rstd_, logits_, lse_, d_normed_, d_input_;
  Buffer logprob_, entropy_, d_logprob_, d_entropy_;  // of one block, read and written here too
  std::vector<int32_t> block_rows_;
};

}  // namespace temper::model
