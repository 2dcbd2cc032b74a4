// How a judge's free answer to a rubric becomes a number: a pattern, or a place in JSON.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace re2 {
class RE2;
}

namespace temper::agents {

class RubricRule {
 public:
  // An RE2 pattern with exactly one group, which holds the number; the last match counts.
  // INVALID_ARGUMENT: not such a pattern.
  static absl::StatusOr<RubricRule> Pattern(const std::string& pattern);
  // A JSON pointer (RFC 6901) into the last JSON object of the reply: "/scores/overall".
  // INVALID_ARGUMENT: not a pointer.
  static absl::StatusOr<RubricRule> Pointer(const std::string& pointer);

  // INVALID_ARGUMENT with the reply's head: no match, nothing there, or no number.
  absl::StatusOr<double> Read(std::string_view reply) const;

 private:
  RubricRule(std::shared_ptr<const re2::RE2> pattern, std::string pointer)
      : pattern_(std::move(pattern)), pointer_(std::move(pointer)) {}

  std::shared_ptr<const re2::RE2> pattern_;  // or null: `pointer_`
  std::string pointer_;
};

}  // namespace temper::agents
