// A file of tasks, read whole before anything runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/eval/task.h"
#include "orchestrator/eval/task_format.h"

namespace temper::eval {

struct TaskFile {
  const TaskFormat* format = nullptr;
  std::vector<Task> tasks;  // in the order of the file, ids unique
  std::string digest;       // XXH3-128 of the file, hexadecimal
};

// How a file is read.
struct ReadOptions {
  std::string format;  // "": found by the keys of the first line
  uint64_t seed = 0;   // of the order of options, where the format has none of its own
  int64_t limit = 0;   // the first tasks only; 0: all. All lines are checked all the same
};

// JSON lines, a JSON list, CSV (by the ending .csv), or one of these compressed by gzip (.gz; at
// most 1 GiB, and 100 times the file). A line that cannot be used: "<path>:<line>: <what is
// wrong>", and there are no tasks. A problem without an id of its own is called by its line.
absl::StatusOr<TaskFile> ReadTaskFile(const std::string& path, const ReadOptions& options);

}  // namespace temper::eval
