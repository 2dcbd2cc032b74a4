// The formats in which benchmarks are published, and what each is asked and judged with.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "orchestrator/eval/task.h"

namespace temper::eval {

struct TaskFormat {
  const char* name;      // of --format
  const char* verifier;  // when none is named
  // Put around the problem, "{prompt}" being its place: as the user's words of a conversation, and
  // as a text that a model without a chat template continues.
  const char* chat_template;
  const char* plain_template;
  std::vector<std::string> plain_stop;  // where such a text ends
  // Keys of a line: all of `keys`, one of `any` where there are some.
  std::vector<std::string> keys;
  std::vector<std::string> any;
  // Fills in what the format says of the line; the message says what is wrong, without the place.
  absl::Status (*read)(const nlohmann::ordered_json& line, uint64_t seed, Task& task);
};

// Those of others, in the order in which a file is tried.
std::span<const TaskFormat> PublishedFormats();

// Our own dataset lines, which orchestrator/dataset.h reads; `read` is null.
const TaskFormat& OwnFormat();

// By name, ours ("temper") included. INVALID_ARGUMENT lists the names.
absl::StatusOr<const TaskFormat*> FormatOf(const std::string& name);

// By the keys of a file's first line. INVALID_ARGUMENT says which keys were found.
absl::StatusOr<const TaskFormat*> FormatOfLine(const nlohmann::ordered_json& line);

}  // namespace temper::eval
