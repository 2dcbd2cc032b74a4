// Writes a model folder whole: config, tokenizer files and weights, tensor by tensor.
//
// Nothing half-written is left behind on failure, and no second copy of the model is held.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "kernels/view.h"
#include "policy/model/config.h"
#include "policy/model/folder/save_plan.h"
#include "policy/model/parameters.h"

namespace temper::model {

struct FolderForm {
  // The folder that tokenizer files (and, where config.json has an auto_map, its *.py files) are
  // carried over from, unchanged. Empty: none.
  std::string source;
  // Weights under the source's names, expert layout and shards, with its mtp.* tensors. Otherwise
  // under the layout's names.
  bool like_source = false;
  SaveDtype dtype = SaveDtype::kFloat32;
  int64_t file_bytes_max = std::numeric_limits<int64_t>::max();  // unless like_source
};

// Fills rows [first, first + values.rows) of tensor i of the layout.
using TensorReader =
    absl::FunctionRef<absl::Status(size_t i, int64_t first, kernels::View<float> values)>;

// `path` must not exist or be empty. config_json is written unchanged, but for a
// quantization_config, which would no longer be true, and for the dtype that is asked for. A value
// too large for its dtype is an error that names the tensor and place.
absl::Status WriteModelFolder(const std::string& path, const FolderForm& form,
                              const std::string& config_json, std::span<const ParameterSpec> specs,
                              TensorReader read);

// As a checkpoint is written: float32, the layout's names, one file, from the layout's array.
// source: as in FolderForm.
absl::Status WriteModelFolder(const std::string& path, const std::string& source,
                              const ModelConfig& config, const ParameterLayout& layout,
                              std::span<const float> values);

}  // namespace temper::model
