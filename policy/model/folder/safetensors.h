// The safetensors format: named tensors in one file, found by a JSON header.
//
// The header is checked whole before a byte of a tensor is touched: no duplicate names, no holes,
// no overlap, every span as long as dtype and shape say. Immutable after opening; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
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

struct SafetensorsHeader {
  std::vector<TensorEntry> entries;             // in the order of their bytes
  std::map<std::string, std::string> metadata;  // of "__metadata__"
};

// `place` names the file in messages.
absl::StatusOr<SafetensorsHeader> ParseSafetensors(std::span<const std::byte> file,
                                                   std::string_view place);

// Bytes of one number; nothing for a dtype that the format does not know.
std::optional<int64_t> BytesOfDtype(std::string_view dtype);
// "[3, 1, 4]".
std::string ShapeText(std::span<const int64_t> shape);
// "[3, 7]" for the element at `flat`.
std::string IndexText(std::span<const int64_t> shape, int64_t flat);

class SafetensorsFile {
 public:
  // Maps the file. A file shorter or longer than its header says is refused.
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);
  // A file that lies in memory already; `bytes` outlive it.
  static absl::StatusOr<SafetensorsFile> OfBytes(const std::string& place,
                                                 std::span<const std::byte> bytes);

  const std::string& path() const { return path_; }
  const std::vector<TensorEntry>& entries() const { return header_.entries; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }

  // Bytes [begin, begin + size) of the file, brought into memory first.
  absl::StatusOr<std::span<const std::byte>> Load(int64_t begin, int64_t size) const;
  // These bytes are not needed any more.
  void Release(int64_t begin, int64_t size) const;

  // Converts any floating-point dtype to float32. values: entry.elements floats. A value that is
  // not finite is an error that names the tensor and the place in it.
  absl::Status ReadFloats(const TensorEntry& entry, std::span<float> values) const;

 private:
  SafetensorsFile(std::string path, std::optional<MappedFile> mapped,
                  std::span<const std::byte> bytes, SafetensorsHeader header)
      : path_(std::move(path)),
        mapped_(std::move(mapped)),
        bytes_(bytes),
        header_(std::move(header)) {}

  std::string path_;
  std::optional<MappedFile> mapped_;  // none: the bytes are somebody else's
  std::span<const std::byte> bytes_;
  SafetensorsHeader header_;
};

}  // namespace temper::model
