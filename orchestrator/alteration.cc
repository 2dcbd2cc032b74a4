// One line per alterable field; the rules are those of specs.
#include "orchestrator/alteration.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"
#include "orchestrator/spec_check.h"

namespace temper::orchestrator {
namespace {

// As JSON text: a number, or an object for the mixture.
// As people write it where that says it all.
std::string TextOf(double value) {
  std::string plain = absl::StrCat(value);
  double read = 0;
  if (absl::SimpleAtod(plain, &read) && read == value) return plain;
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

std::string MixtureText(const v1::Dataset& dataset) {
  std::vector<std::string> shares;
  for (const auto& [task, share] : dataset.mixture()) {
    shares.push_back(absl::StrCat("\"", task, "\": ", share));
  }
  std::sort(shares.begin(), shares.end());
  return absl::StrCat("{", absl::StrJoin(shares, ", "), "}");
}

void AddChange(std::vector<v1::FieldChange>& changes, const char* field, std::string before,
               std::string after) {
  if (before == after) return;
  v1::FieldChange& change = changes.emplace_back();
  change.set_field(field);
  change.set_before(std::move(before));
  change.set_after(std::move(after));
}

std::vector<v1::FieldChange> Compare(const v1::RunSpec& before, const v1::RunSpec& after) {
  std::vector<v1::FieldChange> changes;
  const auto number = [&](const char* field, double old_value, double new_value) {
    AddChange(changes, field, TextOf(old_value), TextOf(new_value));
  };
  number("learning_rate", before.learning_rate(), after.learning_rate());
  number("kl", before.kl(), after.kl());
  number("clip_low", before.clip_low(), after.clip_low());
  number("clip_high", before.clip_high(), after.clip_high());
  number("temperature", before.temperature(), after.temperature());
  number("max_tokens", before.max_tokens(), after.max_tokens());
  number("group_size", before.group_size(), after.group_size());
  number("staleness", before.staleness(), after.staleness());
  number("evaluate.every", before.evaluate().every(), after.evaluate().every());
  AddChange(changes, "dataset.mixture", MixtureText(before.dataset()),
            MixtureText(after.dataset()));
  return changes;
}

}  // namespace

void ApplyAlteration(const v1::Alteration& alteration, v1::RunSpec& spec) {
  if (alteration.has_learning_rate()) spec.set_learning_rate(alteration.learning_rate());
  if (alteration.has_kl()) spec.set_kl(alteration.kl());
  if (alteration.has_clip_low()) spec.set_clip_low(alteration.clip_low());
  if (alteration.has_clip_high()) spec.set_clip_high(alteration.clip_high());
  if (alteration.has_temperature()) spec.set_temperature(alteration.temperature());
  if (alteration.has_max_tokens()) spec.set_max_tokens(alteration.max_tokens());
  if (alteration.has_group_size()) spec.set_group_size(alteration.group_size());
  if (alteration.has_staleness()) spec.set_staleness(alteration.staleness());
  if (alteration.has_evaluate_every()) {
    spec.mutable_evaluate()->set_every(alteration.evaluate_every());
  }
  if (alteration.has_mixture()) {
    *spec.mutable_dataset()->mutable_mixture() = alteration.mixture().shares();
  }
}

absl::StatusOr<std::vector<v1::FieldChange>> CheckAlteration(const v1::Alteration& alteration,
                                                             const v1::RunSpec& spec,
                                                             const RowSource* dataset) {
  if (alteration.has_evaluate_every() && !spec.has_evaluate()) {
    return absl::InvalidArgumentError("evaluate.every: the run has no evaluation");
  }
  if (alteration.has_group_size() && spec.has_environment()) {
    return absl::InvalidArgumentError(
        "group_size: the nodes of the environment's graph say how many samples they draw");
  }
  v1::RunSpec after = spec;
  ApplyAlteration(alteration, after);
  std::vector<v1::FieldChange> changes = Compare(spec, after);
  if (changes.empty()) {
    return absl::InvalidArgumentError(
        "alteration: nothing would change; expected at least one field with a new value");
  }
  std::vector<std::string> problems;
  for (const SpecProblem& problem : FindObjectiveProblems(after)) problems.push_back(problem.text);
  if (after.has_evaluate() && after.evaluate().every() < 1) {
    problems.push_back(
        absl::StrCat("evaluate.every: found ", after.evaluate().every(), ", expected at least 1"));
  }
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
  if (alteration.has_mixture() && dataset != nullptr) {
    TEMPER_RETURN_IF_ERROR(CheckMixture(after.dataset(), *dataset));
  }
  return changes;
}

absl::Status CheckMixture(const v1::Dataset& source, const RowSource& rows) {
  const std::vector<std::string> known = rows.Tasks();
  for (const auto& [task, share] : source.mixture()) {
    if (!std::isfinite(share) || share <= 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("dataset.mixture.", task, ": found ", share, ", expected a number above 0"));
    }
    if (std::find(known.begin(), known.end(), task) == known.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("dataset.mixture.", task, ": no line of the dataset has this task",
                       known.empty() ? "; none has any" : Suggestion(task, known)));
    }
  }
  return absl::OkStatus();
}

}  // namespace temper::orchestrator
