// Writes scalars into a TensorBoard event file.
//
// Format: records of {length u64, masked CRC32C of it, bytes, masked CRC32C of them}, each an Event
// message (tensorflow/core/util/event.proto: wall_time = 1, step = 2, file_version = 3, summary =
// 5). One loop thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace temper::orchestrator {

uint32_t Crc32c(std::string_view bytes);  // Castagnoli, as RFC 3720 has it

class EventFile {
 public:
  // A new file in `folder`, named by the time so that several starts of a run sort in order.
  static absl::StatusOr<EventFile> Create(const std::string& folder, absl::Time now);

  // Appends the values of one step and flushes them.
  absl::Status Write(int64_t step, absl::Time now,
                     std::span<const std::pair<std::string, double>> scalars);

 private:
  using File = std::unique_ptr<FILE, int (*)(FILE*)>;
  EventFile(File file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  absl::Status Append(std::string_view event);

  File file_;
  std::string path_;
};

}  // namespace temper::orchestrator
