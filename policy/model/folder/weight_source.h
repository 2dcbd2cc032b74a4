// The weights of a model folder, read tensor by tensor from the mapped files.
//
// Nothing is copied but what the caller asks for: a folder larger than the memory can be packed
// slab by slab, each given back with Release. Immutable; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/view.h"
#include "policy/model/folder/stored_tensor.h"
#include "policy/model/folder/weight_shards.h"
#include "policy/model/parameters.h"

namespace temper::model {

class WeightSource {
 public:
  // What a tensor of the folder is to the model.
  enum class Role {
    kWeights,   // holds one tensor of the layout, or one for each expert
    kTiedHead,  // lm_head.weight of a model that computes with its embeddings: the same values
    kKept,      // mtp.*: not computed with, but saved again
    kDropped,   // known, and of no use to anyone who computes in float32 or bfloat16
  };
  struct Member {
    StoredTensor tensor;
    Role role = Role::kKept;
    std::vector<size_t> specs;  // kWeights: indices into the layout, in the order of their rows
  };

  // Opens the folder's weights for these tensors. Everything that does not fit is listed in one
  // message: missing, unexpected or mis-shaped tensors, scales, dtypes.
  static absl::StatusOr<WeightSource> Open(const std::string& folder,
                                           std::span<const ParameterSpec> specs);

  // Tensor i of the layout is a matrix: its last dimension is the columns, the others are the rows.
  int64_t rows(size_t i) const { return slots_[i].rows; }
  int64_t cols(size_t i) const { return TensorOf(i).cols(); }
  // How its numbers are stored: "F32", "BF16", "F8_E4M3", "NVFP4", ...
  std::string Format(size_t i) const { return TensorOf(i).Format(); }

  // Rows [first, first + values.rows) of tensor i as float32, dequantised. An infinity or NaN is an
  // error that names file, tensor and place.
  absl::Status Read(size_t i, int64_t first, kernels::View<float> values) const;

  // Whether tensor i lies in its file as bfloat16 that can be used in place.
  bool HasBfloat16(size_t i) const;
  // These rows in place, checked as Read checks them. Only with HasBfloat16(i).
  absl::StatusOr<kernels::View<const uint16_t>> Bfloat16(size_t i, int64_t first,
                                                         int64_t rows) const;

  // Gives the memory of these rows back to the system.
  void Release(size_t i, int64_t first, int64_t rows) const;

  // Everything in the folder's files, in their order.
  std::span<const Member> members() const { return members_; }
  const WeightShards& shards() const { return *shards_; }

 private:
  struct Slot {
    size_t member = 0;
    int64_t first_row = 0, rows = 0;
  };

  WeightSource(std::unique_ptr<WeightShards> shards, std::vector<Member> members,
               std::vector<Slot> slots)
      : shards_(std::move(shards)), members_(std::move(members)), slots_(std::move(slots)) {}

  const StoredTensor& TensorOf(size_t i) const { return members_[slots_[i].member].tensor; }

  friend class WeightMatch;

  std::unique_ptr<WeightShards> shards_;  // members point into it
  std::vector<Member> members_;
  std::vector<Slot> slots_;  // one for each tensor of the layout
};

}  // namespace temper::model
