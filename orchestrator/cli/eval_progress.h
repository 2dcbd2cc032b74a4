// What a person sees while an evaluation runs: a line that changes on a terminal, else some lines.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace temper::cli {

// Writes to stderr. Used on one thread.
class EvalProgress {
 public:
  explicit EvalProgress(const Clock& clock);
  ~EvalProgress();  // ends the line

  void Show(int64_t done, int64_t right, int64_t errors, int64_t all);

 private:
  const Clock& clock_;
  const bool terminal_;
  const absl::Duration began_;
  absl::Duration shown_;
  int64_t tenths_ = -1;    // of the work, that were announced
  int64_t at_start_ = -1;  // done before
};

}  // namespace temper::cli
