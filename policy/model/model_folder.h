// A Hugging Face model folder: config, tokenizer, weights; read, checked and written whole.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/model/config.h"
#include "policy/model/parameters.h"
#include "policy/model/tokenizer.h"

namespace temper::model {

// What a folder holds besides its weights.
struct ModelFolder {
  std::string path;
  ModelConfig config;                    // eos ids of generation_config.json merged in
  std::unique_ptr<Tokenizer> tokenizer;  // null when the folder has none
};

// Reads config.json, generation_config.json and tokenizer.json. Checks that the vocabulary fits.
absl::StatusOr<ModelFolder> OpenModelFolder(const std::string& path);

// Reads model.safetensors, or the shards of model.safetensors.index.json, into the layout's array
// as float32 (F32, F16 and BF16 files). All missing, unexpected and mis-shaped tensors are listed
// in one message; a value that is not finite is an error that names the tensor and place.
absl::Status ReadWeights(const std::string& path, const ParameterLayout& layout,
                         std::span<float> values);

// Floats on disk by dtype ("BF16": 121000000), after the checks of ReadWeights that need no values.
absl::StatusOr<std::map<std::string, int64_t>> CountWeights(const std::string& path,
                                                            const ParameterLayout& layout);

// Writes config.json, the tokenizer files of `source` (may be empty) and model.safetensors (F32).
// `path` must not exist or be empty; nothing half-written is left behind on failure.
absl::Status WriteModelFolder(const std::string& path, const std::string& source,
                              const ModelConfig& config, const ParameterLayout& layout,
                              std::span<const float> values);

}  // namespace temper::model
