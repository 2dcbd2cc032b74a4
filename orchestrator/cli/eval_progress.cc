// Seldom enough not to be in the way.
#include "orchestrator/cli/eval_progress.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_format.h"

namespace temper::cli {

EvalProgress::EvalProgress(const Clock& clock)
    : clock_(clock),
      terminal_(isatty(STDERR_FILENO) != 0),
      began_(clock.Uptime()),
      shown_(-absl::InfiniteDuration()) {}

EvalProgress::~EvalProgress() {
  if (terminal_ && at_start_ >= 0) std::fputs("\n", stderr);
}

void EvalProgress::Show(int64_t done, int64_t right, int64_t errors, int64_t all) {
  if (at_start_ < 0) at_start_ = done;
  const absl::Duration now = clock_.Uptime();
  const int64_t tenths = all > 0 ? 10 * done / all : 10;
  const bool due =
      terminal_ ? now - shown_ >= absl::Milliseconds(200) || done == all : tenths > tenths_;
  if (!due) return;
  shown_ = now;
  tenths_ = tenths;
  const double seconds = absl::ToDoubleSeconds(now - began_);
  const double rate = seconds > 0 ? static_cast<double>(done - at_start_) / seconds : 0;
  const std::string line = absl::StrFormat(
      "eval: %d of %d samples, %.1f %% right, %d errors, %.1f samples/s", done, all,
      done > errors ? 100.0 * static_cast<double>(right) / static_cast<double>(done - errors) : 0.0,
      errors, rate);
  std::fprintf(stderr, terminal_ ? "\r%s\033[K" : "%s\n", line.c_str());
  std::fflush(stderr);
}

}  // namespace temper::cli
