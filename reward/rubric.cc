// Checks a rubric when it is made, so that judging cannot fail for it.
#include "reward/rubric.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "reward/registry.h"
#include "temper/v1/episode.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {
namespace {

// Bounds the work of one response.
constexpr int kPartsMax = 16;

}  // namespace

absl::StatusOr<Rubric> Rubric::Create(const temper::v1::Rubric& spec) {
  if (spec.parts().empty() || spec.parts_size() > kPartsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("rubric.parts: found ", spec.parts_size(), " parts, expected 1 to ", kPartsMax,
                     " (verifiers: ", absl::StrJoin(VerifierNames(), ", "), ")"));
  }
  std::vector<Part> parts;
  bool averaged = false;
  double weights = 0;
  for (int i = 0; i < spec.parts_size(); ++i) {
    const temper::v1::RubricPart& part = spec.parts(i);
    const std::string place = absl::StrCat("rubric.parts[", i, "].");
    const double weight = part.has_weight() ? part.weight() : 1;
    if (!std::isfinite(weight) || weight < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, "weight: found ", weight, ", expected 0 or more"));
    }
    averaged = averaged || !part.gate();
    weights += part.gate() ? 0 : weight;
    auto verifier = MakeVerifier(part);
    if (!verifier.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, std::string(verifier.status().message())));
    }
    parts.push_back({part.verifier(), weight, part.gate(), *std::move(verifier)});
  }
  if (averaged && weights <= 0) {
    return absl::InvalidArgumentError(
        "rubric.parts: every weight is 0, expected at least one above 0 among the parts that are "
        "not gates");
  }
  return Rubric(std::move(parts));
}

absl::StatusOr<temper::v1::Score> Rubric::Judge(const Response& response) const {
  temper::v1::Score score;
  double gates = 1;
  double sum = 0;
  double weights = 0;
  std::string reason;
  for (const Part& part : parts_) {
    TEMPER_ASSIGN_OR_RETURN(const Judgement judgement, part.verifier->Judge(response));
    temper::v1::ScorePart& shown = *score.add_parts();
    shown.set_verifier(part.name);
    shown.set_value(judgement.score);
    shown.set_reason(judgement.reason);
    shown.set_verdict(judgement.verdict);
    shown.set_details_json(judgement.details);
    if (part.gate) {
      gates *= judgement.score;
    } else {
      sum += part.weight * judgement.score;
      weights += part.weight;
    }
    // The first part that took something away explains the score.
    if (reason.empty() && judgement.score < 1)
      reason = absl::StrCat(part.name, ": ", judgement.reason);
  }
  score.set_value(gates * (weights > 0 ? sum / weights : 1));
  score.set_reason(reason.empty() ? score.parts(0).reason() : reason);
  return score;
}

}  // namespace temper::reward
