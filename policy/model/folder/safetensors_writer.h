// Writes safetensors files: tensors one after the other, so that none is held twice in memory.
//
// The same tensors give the same bytes. What was written before a failure stays: callers write into
// a folder that is not in its place yet.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace temper::model {

class SafetensorsWriter {
 public:
  struct Tensor {
    std::string name;
    std::string dtype;
    std::vector<int64_t> shape;
  };

  // Creates the file, which must not exist, and writes its header. `tensors`: in the order in which
  // their bytes will come.
  static absl::StatusOr<SafetensorsWriter> Create(
      const std::string& path, const std::map<std::string, std::string>& metadata,
      std::span<const Tensor> tensors);
  SafetensorsWriter(SafetensorsWriter&& other) noexcept;
  SafetensorsWriter& operator=(SafetensorsWriter&&) = delete;
  ~SafetensorsWriter();

  // The next bytes of the tensors, cut anywhere.
  absl::Status Append(std::span<const std::byte> bytes);
  // Syncs the file. Every byte that the header promises must have come.
  absl::Status Finish();

 private:
  SafetensorsWriter(int fd, std::string path, int64_t bytes_left)
      : fd_(fd), path_(std::move(path)), bytes_left_(bytes_left) {}

  int fd_ = -1;
  std::string path_;
  int64_t bytes_left_ = 0;
};

// One float32 tensor to be written.
struct TensorToWrite {
  std::string name;
  std::vector<int64_t> shape;
  std::span<const float> values;
};

// A whole file of float32 tensors.
absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, std::string>& metadata,
                              std::span<const TensorToWrite> tensors);

}  // namespace temper::model
