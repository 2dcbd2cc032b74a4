// Golden folders: a small model of random weights with what an independent float64 oracle says of
// it (tests/golden/make_model_golden.py, make_family_golden.py).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "policy/model/folder/model_folder.h"
#include "tests/policy/model/policy_fixture.h"

namespace temper::model {

class Golden {
 public:
  // `name`: a folder of tests/data/golden.
  explicit Golden(const std::string& name)
      : folder_(std::string(TEMPER_TEST_DATA "/golden/") + name) {}

  const std::string& folder() const { return folder_; }

  ModelConfig Config() const {
    absl::StatusOr<ModelConfig> config = ReadModelConfig(folder_ + "/config.json");
    EXPECT_TRUE(config.ok()) << config.status();
    return *config;
  }

  std::unique_ptr<Policy> MakePolicy(int threads,
                                     kernels::Dtype dtype = kernels::Dtype::kFloat32) const {
    const ModelConfig config = Config();
    return std::make_unique<Policy>(config, Read("", ParameterLayout(config)), threads, dtype);
  }

  // The layout's array of a folder inside: "" the weights, "/gradients" the gradients.
  std::vector<float> Read(const std::string& inside, const ParameterLayout& layout) const {
    std::vector<float> values(layout.size(), 0.0f);
    const absl::Status read = ReadWeights(folder_ + inside, layout, values);
    EXPECT_TRUE(read.ok()) << read;
    return values;
  }

  nlohmann::json Expected() const {
    std::ifstream file(folder_ + "/expected.json");
    return nlohmann::json::parse(file);
  }

  std::vector<float> Logits() const {
    std::ifstream file(folder_ + "/logits.f32", std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    std::vector<float> logits(bytes.size() / sizeof(float));
    std::memcpy(logits.data(), bytes.data(), bytes.size());
    return logits;
  }

 private:
  const std::string folder_;
};

inline PackedBatch GoldenBatch(const nlohmann::json& expected) {
  PackedBatch batch{.temperature = expected["temperature"].get<float>()};
  for (const nlohmann::json& sequence : expected["sequences"]) {
    Append(sequence.get<std::vector<int32_t>>(), 1, batch);
  }
  return batch;
}

// The largest difference in units of the largest expected value.
inline double RelativeError(std::span<const float> found, std::span<const float> expected) {
  EXPECT_EQ(found.size(), expected.size());
  double error = 0, size = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(std::isfinite(found[i]));
    error = std::max(error, std::abs(static_cast<double>(found[i]) - expected[i]));
    size = std::max(size, std::abs(static_cast<double>(expected[i])));
  }
  return size > 0 ? error / size : error;
}

// Of the golden loss: fixed weights on log-probabilities and entropies.
inline std::vector<float> GoldenGradients(Policy& policy, const nlohmann::json& expected,
                                          std::vector<float>* logprobs) {
  const auto logprob_weight = expected["logprob_weight"].get<std::vector<float>>();
  const auto entropy_weight = expected["entropy_weight"].get<std::vector<float>>();
  std::vector<float> gradients(policy.layout.size(), 0.0f);
  policy.Train(
      GoldenBatch(expected),
      [&](int64_t first, std::span<const float> logprob, std::span<const float>,
          std::span<float> dlogprob, std::span<float> dentropy) {
        if (logprobs != nullptr) logprobs->insert(logprobs->end(), logprob.begin(), logprob.end());
        std::copy_n(logprob_weight.begin() + first, logprob.size(), dlogprob.begin());
        std::copy_n(entropy_weight.begin() + first, logprob.size(), dentropy.begin());
      },
      gradients);
  return gradients;
}

}  // namespace temper::model
