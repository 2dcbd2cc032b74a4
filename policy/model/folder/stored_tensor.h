// One tensor of a model folder as it lies on disk, with the scales that belong to it.
//
// Numbers are plain, or quantised by NVIDIA's ModelOpt in one of two ways:
//   FP8    X.weight F8_E4M3 [rows, cols]; X.weight_scale: one number, or one for each row.
//   NVFP4  X.weight U8 [rows, cols/2], the even column in the low four bits (E2M1);
//          X.weight_scale F8_E4M3 [rows, cols/16]; X.weight_scale_2: one number.
// A value is the stored number times its scales, rounded to float32 once. Immutable; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/view.h"
#include "policy/model/folder/safetensors.h"

namespace temper::model {

struct StoredTensor {
  enum class Encoding { kPlain, kFp8, kNvfp4 };

  const SafetensorsFile* file = nullptr;
  const TensorEntry* entry = nullptr;
  Encoding encoding = Encoding::kPlain;
  std::vector<int64_t> shape;  // of the values: NVFP4 packs two of them into a byte
  std::vector<float> scales;   // kFp8: one, or one for each row; kNvfp4: weight_scale_2
  const SafetensorsFile* block_file = nullptr;  // kNvfp4: weight_scale
  const TensorEntry* blocks = nullptr;

  // As a matrix: the last dimension is the columns, all others together the rows.
  int64_t rows() const;
  int64_t cols() const { return shape.empty() ? 1 : shape.back(); }
  // "BF16", "F8_E4M3", "NVFP4", ...
  std::string Format() const;
  // What reading gives no float32 for, in words; empty when it can be read.
  std::string Unreadable() const;

  // Rows [first, first + values.rows) as float32. values: any number of rows, cols() columns. A
  // value that is not finite is an error that names file, tensor and place.
  absl::Status ReadRows(int64_t first, kernels::View<float> values) const;
  // Rows [first, first + rows) as they lie in the file, without their scales.
  absl::StatusOr<std::span<const std::byte>> LoadRows(int64_t first, int64_t rows) const;
  // Gives the memory of these rows back to the system.
  void Release(int64_t first, int64_t rows) const;
  // The error for element `at` of the rows from `first` on.
  absl::Status NotFinite(int64_t first, int64_t at, float found) const;
};

// The tensors of `files`, scales joined to their weights and no longer tensors of their own, in the
// order of the files. What is wrong with scales is appended to `problems`. `files` must outlive the
// result.
std::vector<StoredTensor> JoinScales(std::span<const SafetensorsFile> files,
                                     std::vector<std::string>& problems);

}  // namespace temper::model
