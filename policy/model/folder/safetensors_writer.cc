// Header first, then the bytes as they come, then a sync.
#include "policy/model/folder/safetensors_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/model/folder/safetensors.h"

namespace temper::model {
namespace {

absl::Status WriteAll(int fd, const std::string& path, const void* data, size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t put = write(fd, at, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(path, "cannot write");
    at += put;
    size -= put;
  }
  return absl::OkStatus();
}

int64_t BytesOf(const SafetensorsWriter::Tensor& tensor) {
  const auto number = BytesOfDtype(tensor.dtype);
  TEMPER_CHECK(number.has_value());
  int64_t bytes = *number;
  for (const int64_t extent : tensor.shape) bytes *= extent;
  return bytes;
}

}  // namespace

absl::StatusOr<SafetensorsWriter> SafetensorsWriter::Create(
    const std::string& path, const std::map<std::string, std::string>& metadata,
    std::span<const Tensor> tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t begin = 0;
  for (const Tensor& tensor : tensors) {
    const int64_t end = begin + BytesOf(tensor);
    // push_back, not []: a search of all names before would be quadratic in their number.
    header.get_ref<nlohmann::ordered_json::object_t&>().emplace_back(
        tensor.name,
        nlohmann::ordered_json{
            {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}});
    begin = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');

  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(path, "cannot create");
  SafetensorsWriter writer(fd, path, begin);
  const uint64_t length = text.size();
  TEMPER_RETURN_IF_ERROR(WriteAll(fd, path, &length, sizeof(length)));
  TEMPER_RETURN_IF_ERROR(WriteAll(fd, path, text.data(), text.size()));
  return writer;
}

SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      bytes_left_(other.bytes_left_) {}

SafetensorsWriter::~SafetensorsWriter() {
  if (fd_ >= 0) close(fd_);
}

absl::Status SafetensorsWriter::Append(std::span<const std::byte> bytes) {
  TEMPER_CHECK(static_cast<int64_t>(bytes.size()) <= bytes_left_);
  bytes_left_ -= static_cast<int64_t>(bytes.size());
  return WriteAll(fd_, path_, bytes.data(), bytes.size());
}

absl::Status SafetensorsWriter::Finish() {
  TEMPER_CHECK(bytes_left_ == 0);
  if (fsync(fd_) != 0) return ErrnoStatus(path_, "cannot sync");
  return absl::OkStatus();
}

absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, std::string>& metadata,
                              std::span<const TensorToWrite> tensors) {
  std::vector<SafetensorsWriter::Tensor> headers;
  for (const TensorToWrite& tensor : tensors) {
    headers.push_back({.name = tensor.name, .dtype = "F32", .shape = tensor.shape});
  }
  TEMPER_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                          SafetensorsWriter::Create(path, metadata, headers));
  for (const TensorToWrite& tensor : tensors) {
    TEMPER_RETURN_IF_ERROR(writer.Append(std::as_bytes(tensor.values)));
  }
  return writer.Finish();
}

}  // namespace temper::model
