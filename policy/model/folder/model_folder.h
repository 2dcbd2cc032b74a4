// A Hugging Face model folder: config, tokenizer, weights; read and checked. model_folder_writer.h
// writes one.
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
#include "policy/model/tokenizer/tokenizer.h"

namespace temper::model {

// What a folder holds besides its weights.
struct ModelFolder {
  std::string path;
  ModelConfig config;                    // eos ids of generation_config.json merged in
  std::unique_ptr<Tokenizer> tokenizer;  // null when the folder has none
};

// Reads config.json, generation_config.json and tokenizer.json. Checks that the vocabulary fits.
absl::StatusOr<ModelFolder> OpenModelFolder(const std::string& path);

// Reads the weights into the layout's array as float32, on all cores; WeightSource says from what
// kinds of folder. All missing, unexpected and mis-shaped tensors are listed in one message; a
// value that is not finite is an error that names the tensor and place.
absl::Status ReadWeights(const std::string& path, const ParameterLayout& layout,
                         std::span<float> values);

// Values on disk by format ("BF16": 121000000), after the checks of ReadWeights that need no
// values.
absl::StatusOr<std::map<std::string, int64_t>> CountWeights(const std::string& path,
                                                            const ParameterLayout& layout);

}  // namespace temper::model
