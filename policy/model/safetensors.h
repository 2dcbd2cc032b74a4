// The safetensors format: named tensors in one file, found by a JSON header.
//
// The header is checked whole before a byte of a tensor is touched: no duplicate names, no holes,
// no overlap, every span as long as dtype and shape say. Immutable after opening; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file.h"

namespace temper::model {

struct TensorEntry {
  std::string name;
  std::string dtype;  // as written: "F32", "BF16", ...
  std::vector<int64_t> shape;
  int64_t begin = 0, end = 0;  // bytes, from the start of the file
  int64_t elements = 0;
};

// Entries in the order of their bytes. `place` names the file in messages.
absl::StatusOr<std::vector<TensorEntry>> ParseSafetensors(std::span<const std::byte> file,
                                                          std::string_view place);

// "[3, 1, 4]".
std::string ShapeText(std::span<const int64_t> shape);

class SafetensorsFile {
 public:
  // Maps the file. A file shorter or longer than its header says is refused.
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);

  const std::string& path() const { return path_; }
  const std::vector<TensorEntry>& entries() const { return entries_; }
  // Converts F32, F16 or BF16 to float32. values: entry.elements floats. A value that is not
  // finite is an error that names the tensor and the place in it.
  absl::Status ReadFloats(const TensorEntry& entry, std::span<float> values) const;

 private:
  SafetensorsFile(std::string path, MappedFile file, std::vector<TensorEntry> entries)
      : path_(std::move(path)), file_(std::move(file)), entries_(std::move(entries)) {}

  std::string path_;
  MappedFile file_;
  std::vector<TensorEntry> entries_;
};

// One float32 tensor to be written.
struct TensorToWrite {
  std::string name;
  std::vector<int64_t> shape;
  std::span<const float> values;
};

// Writes a new file and syncs it; the same tensors give the same bytes. What was written before a
// failure stays: callers write into a folder that is not in its place yet.
absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, std::string>& metadata,
                              std::span<const TensorToWrite> tensors);

}  // namespace temper::model
