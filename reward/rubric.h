// How the verdicts of several verifiers become one score.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "reward/verifier.h"

namespace temper::v1 {
class Rubric;
class Score;
}  // namespace temper::v1

namespace temper::reward {

// score = product of the gates * weighted mean of the other parts; without other parts the product
// alone. Any thread.
class Rubric {
 public:
  struct Part {
    std::string name;
    double weight = 1;
    bool gate = false;
    std::unique_ptr<const Verifier> verifier;
  };

  // INVALID_ARGUMENT names the field, e.g. "rubric.parts[1].pattern: ...".
  static absl::StatusOr<Rubric> Create(const temper::v1::Rubric& spec);
  // At least one part; the weights of those that are no gates do not sum to 0.
  explicit Rubric(std::vector<Part> parts) : parts_(std::move(parts)) {}

  // All parts are judged, so that each one shows in the score. The failure of one verifier is the
  // failure of the whole: it is never counted as a miss.
  absl::StatusOr<temper::v1::Score> Judge(const Response& response) const;

 private:
  std::vector<Part> parts_;
};

}  // namespace temper::reward
