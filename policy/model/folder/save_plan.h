// What the weight files of a model folder will hold, decided before the first byte is written.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "policy/model/folder/weight_source.h"
#include "policy/model/parameters.h"

namespace temper::model {

enum class SaveDtype { kSource, kFloat32, kBfloat16 };

struct SavedTensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  // The values are those of these tensors of the layout, one after the other; or, when there are
  // none, those of `copied`: byte for byte where it is not quantised.
  std::vector<size_t> specs;
  const StoredTensor* copied = nullptr;
};

struct SavedFile {
  std::string name;
  std::map<std::string, std::string> metadata;
  std::vector<SavedTensor> tensors;
};

struct SavePlan {
  std::vector<SavedFile> files;
  bool indexed = false;     // with model.safetensors.index.json
  int64_t dequantised = 0;  // tensors that the source holds quantised and the files as BF16
};

// The layout's own names, in its order, in files of at most `file_bytes_max` where tensors allow.
// kSource means float32 here.
SavePlan PlanOfLayout(std::span<const ParameterSpec> specs, SaveDtype dtype,
                      int64_t file_bytes_max);

// The files of `source` again: names, order, shapes, mtp.* tensors; with kSource also the dtype of
// each tensor, where it is not quantised. `source` must outlive the plan.
SavePlan PlanLikeSource(const WeightSource& source, std::span<const ParameterSpec> specs,
                        SaveDtype dtype);

}  // namespace temper::model
