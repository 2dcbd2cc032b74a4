// Checks a rubric when it is made, so that combining cannot fail for it.
#include "reward/rubric.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "re2/re2.h"
#include "temper/v1/episode.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {
namespace {

// Bounds the work of one response.
constexpr int kPartsMax = 16;
constexpr double kTimeoutSecondsMax = 86400;

absl::StatusOr<Rubric::Part> MakePart(const temper::v1::RubricPart& spec) {
  const double weight = spec.has_weight() ? spec.weight() : 1;
  if (!std::isfinite(weight) || weight < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight: found ", weight, ", expected 0 or more"));
  }
  if (spec.has_timeout_seconds() &&
      !(spec.timeout_seconds() > 0 && spec.timeout_seconds() <= kTimeoutSecondsMax)) {
    return absl::InvalidArgumentError(
        absl::StrCat("timeout_seconds: found ", spec.timeout_seconds(),
                     ", expected above 0, at most ", kTimeoutSecondsMax));
  }
  const std::string& name = spec.name().empty() ? spec.verifier() : spec.name();
  TEMPER_ASSIGN_OR_RETURN(auto verifier, MakeVerifier(spec));
  static const RE2& form = *new RE2("[a-z][a-z0-9_]*");
  if (!RE2::FullMatch(name, form) || name == "if" || name == "else") {
    return absl::InvalidArgumentError(absl::StrCat("name: found ", Quoted(name),
                                                   ", expected a lower-case letter, then letters, "
                                                   "digits and _, and no word of an expression"));
  }
  TEMPER_ASSIGN_OR_RETURN(const VerifierKind kind, KindOf(spec.verifier()));
  return Rubric::Part{name,        weight,
                      spec.gate(), {spec.tasks().begin(), spec.tasks().end()},
                      kind,        std::move(verifier)};
}

absl::Status CheckWeights(std::span<const Rubric::Part> parts) {
  double weights = 0;
  bool averaged = false;
  for (const Rubric::Part& part : parts) {
    averaged = averaged || !part.gate;
    weights += part.gate ? 0 : part.weight;
  }
  if (!averaged || weights > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "rubric.parts: every weight is 0, expected at least one above 0 among the parts that are "
      "not gates");
}

absl::StatusOr<std::optional<Expression>> MakeExpression(const temper::v1::Rubric& spec,
                                                         const std::vector<std::string>& names) {
  if (spec.expression().empty()) return std::nullopt;
  for (int i = 0; i < spec.parts_size(); ++i) {
    // A weight of 1 is the default that a resolved spec carries.
    if (spec.parts(i).gate() || (spec.parts(i).has_weight() && spec.parts(i).weight() != 1)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "rubric.parts[", i, "]: ", spec.parts(i).gate() ? "gate" : "weight",
          ": is not read where rubric.expression says how parts combine; remove one of the two"));
    }
  }
  auto parsed = Expression::Parse(spec.expression(), names);
  if (parsed.ok()) return std::optional<Expression>(*std::move(parsed));
  return absl::InvalidArgumentError(
      absl::StrCat("rubric.expression: ", std::string(parsed.status().message())));
}

}  // namespace

absl::StatusOr<Rubric> Rubric::Create(const temper::v1::Rubric& spec) {
  if (spec.parts().empty() || spec.parts_size() > kPartsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("rubric.parts: found ", spec.parts_size(), " parts, expected 1 to ", kPartsMax,
                     " (verifiers: ", absl::StrJoin(VerifierNames(), ", "), ")"));
  }
  std::vector<Part> parts;
  std::vector<std::string> names;
  for (int i = 0; i < spec.parts_size(); ++i) {
    const std::string place = absl::StrCat("rubric.parts[", i, "].");
    auto part = MakePart(spec.parts(i));
    if (!part.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(place, std::string(part.status().message())));
    }
    if (std::find(names.begin(), names.end(), part->name) != names.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          place, "name: \"", part->name, "\" is the name of an earlier part too; give it another"));
    }
    names.push_back(part->name);
    parts.push_back(*std::move(part));
  }
  TEMPER_ASSIGN_OR_RETURN(std::optional<Expression> expression, MakeExpression(spec, names));
  if (!expression.has_value()) TEMPER_RETURN_IF_ERROR(CheckWeights(parts));
  return Rubric(std::move(parts), std::move(expression));
}

bool Rubric::Applies(size_t i, std::string_view task) const {
  const std::vector<std::string>& tasks = parts_[i].tasks;
  return tasks.empty() || std::find(tasks.begin(), tasks.end(), task) != tasks.end();
}

absl::StatusOr<temper::v1::Score> Rubric::Combine(
    std::span<const temper::v1::ScorePart* const> judged) const {
  temper::v1::Score score;
  double gates = 1;
  double sum = 0;
  double weights = 0;
  std::vector<double> values(parts_.size(), 0);
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (judged[i] == nullptr) continue;
    *score.add_parts() = *judged[i];
    values[i] = judged[i]->value();
    if (parts_[i].gate) {
      gates *= values[i];
    } else {
      sum += parts_[i].weight * values[i];
      weights += parts_[i].weight;
    }
    // The first part that took something away explains the score.
    if (score.reason().empty() && values[i] < 1) {
      score.set_reason(absl::StrCat(parts_[i].name, ": ", judged[i]->reason()));
    }
  }
  if (score.parts().empty()) {
    return absl::FailedPreconditionError("no part of the rubric judges this problem's task");
  }
  score.set_value(expression_.has_value() ? expression_->Value(values)
                                          : gates * (weights > 0 ? sum / weights : 1));
  if (score.reason().empty()) score.set_reason(score.parts(0).reason());
  return score;
}

temper::v1::ScorePart ToScorePart(std::string_view name, const Judgement& judgement) {
  temper::v1::ScorePart part;
  part.set_verifier(std::string(name));
  part.set_value(judgement.score);
  part.set_reason(judgement.reason);
  part.set_verdict(judgement.verdict);
  part.set_details_json(judgement.details);
  return part;
}

}  // namespace temper::reward
