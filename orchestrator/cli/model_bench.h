// Measures the speed of a model's three kinds of work beside the limit of the machine at hand.
//
// The limit is computed from the arithmetic peak and the memory bandwidth measured in the same run.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "kernels/ops.h"
#include "policy/model/config.h"
#include "policy/model/parameters.h"

namespace temper::cli {

struct BenchOptions {
  int64_t batch = 0;    // sequences side by side; 0: the bench's own default
  int64_t tokens = 0;   // tokens of each sequence; 0: the bench's own default
  int64_t context = 0;  // decode: tokens before those; 0: its default
  kernels::Dtype dtype = kernels::Dtype::kFloat32;  // of packed matrices
  int runs = 5;                                     // the median is reported
};

struct Measurement {
  std::string name;
  double value = 0;  // tokens per second
  double limit = 0;  // tokens per second that the machine allows at most
  std::string formula;
  nlohmann::json details;
};

// A model's weights as they lie in memory.
struct BenchModel {
  const model::ModelConfig& config;
  const model::ParameterLayout& layout;
  std::span<float> values;
};

// Each uses `device` alone; its limits are measured there, after the work.

// Prompts processed whole; the logits of each one's last token.
Measurement BenchPrefill(const BenchModel& model, kernels::Device& device,
                         const BenchOptions& options);
// One token for each sequence at a time, with log-probabilities of the whole vocabulary.
Measurement BenchDecode(const BenchModel& model, kernels::Device& device,
                        const BenchOptions& options);
// Forward, backward, gradient norm, AdamW and packing the new version; changes the weights.
Measurement BenchTrainStep(const BenchModel& model, kernels::Device& device,
                           const BenchOptions& options);

}  // namespace temper::cli
