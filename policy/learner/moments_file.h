// The optimiser's moments as one safetensors file: "<tensor>.exp_avg" and "<tensor>.exp_avg_sq",
// F32.
//
// The names are PyTorch's, so that people find what they look for.
#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "policy/model/parameters.h"

namespace temper::learner {

// Writes a new file and syncs it; both moments have layout.size() floats. What was written before a
// failure stays: callers write into a folder that is not in its place yet.
absl::Status WriteMoments(const std::string& path, const model::ParameterLayout& layout,
                          std::span<const float> first, std::span<const float> second);

// DATA_LOSS: not the file that WriteMoments() makes for this layout.
absl::Status ReadMoments(const std::string& path, const model::ParameterLayout& layout,
                         std::span<float> first, std::span<float> second);

}  // namespace temper::learner
