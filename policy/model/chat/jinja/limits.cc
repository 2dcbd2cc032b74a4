// Counts down; says which limit was met.
#include "policy/model/chat/jinja/limits.h"

#include "base/status_macros.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {

absl::Status Meter::Steps(int64_t count) {
  if (count <= left_) {
    left_ -= count;
    return absl::OkStatus();
  }
  left_ = 0;
  return absl::ResourceExhaustedError(
      Words("the template takes more than ", limits_.steps, " steps"));
}

absl::Status Meter::Text(size_t bytes, size_t marks) {
  if (bytes > limits_.text_bytes) {
    return absl::ResourceExhaustedError(
        Words("a string of ", bytes, " bytes, expected at most ", limits_.text_bytes));
  }
  return Steps(static_cast<int64_t>(bytes / kBytesPerStep + marks));
}

absl::Status Meter::Items(size_t count) {
  if (count > limits_.items) {
    return absl::ResourceExhaustedError(
        Words("a list of ", count, " items, expected at most ", limits_.items));
  }
  return Steps(static_cast<int64_t>(count));
}

absl::Status Meter::Level::Enter() {
  if (meter_.level_ <= meter_.limits_.calls) return meter_.Steps(1);
  return absl::ResourceExhaustedError(Words("more than ", meter_.limits_.calls,
                                            " evaluations inside each other: endless recursion?"));
}

}  // namespace temper::model::jinja
