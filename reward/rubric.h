// How the verdicts of several verifiers become one score.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reward/expression.h"
#include "reward/registry.h"
#include "reward/verifier.h"

namespace temper::v1 {
class Rubric;
class RubricPart;
class Score;
class ScorePart;
}  // namespace temper::v1

namespace temper::reward {

// Without an expression: score = product of the gates * weighted mean of the other parts; without
// other parts the product alone. A part that does not judge a problem's task is left out; in an
// expression it counts 0. Any thread.
class Rubric {
 public:
  struct Part {
    std::string name;
    double weight = 1;
    bool gate = false;
    std::vector<std::string> tasks = {};  // empty: all
    VerifierKind kind = {};
    std::unique_ptr<const Verifier> verifier = nullptr;
  };

  // INVALID_ARGUMENT names the field, e.g. "rubric.parts[1].pattern: ...".
  static absl::StatusOr<Rubric> Create(const temper::v1::Rubric& spec);
  // At least one part; the weights of those that are no gates do not sum to 0.
  explicit Rubric(std::vector<Part> parts, std::optional<Expression> expression = std::nullopt)
      : parts_(std::move(parts)), expression_(std::move(expression)) {}

  std::span<const Part> parts() const { return parts_; }
  // Whether part `i` judges problems of `task`.
  bool Applies(size_t i, std::string_view task) const;

  // `judged` holds one entry for each part, null where it does not apply. FAILED_PRECONDITION where
  // no part applies: a problem that nobody judges has no score.
  absl::StatusOr<temper::v1::Score> Combine(
      std::span<const temper::v1::ScorePart* const> judged) const;

 private:
  std::vector<Part> parts_;
  std::optional<Expression> expression_;
};

// A judgement as it is kept with the sample.
temper::v1::ScorePart ToScorePart(std::string_view name, const Judgement& judgement);

}  // namespace temper::reward
