// Four ways to compare; numbers are exact fractions, patterns are RE2's.
#include "reward/text/match_verifier.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "reward/exact_number.h"
#include "reward/text/code_points.h"
#include "reward/text/metadata.h"
#include "reward/text/pattern.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

absl::Status NotOfMode(const std::string& field, const std::string& mode) {
  return absl::InvalidArgumentError(
      absl::StrCat("match.", field, ": mode \"", mode, "\" does not read it; remove it"));
}

absl::StatusOr<std::vector<std::string>> Golds(const Response& response) {
  std::vector<std::string> golds;
  if (!response.gold.empty()) golds.emplace_back(response.gold);
  TEMPER_ASSIGN_OR_RETURN(const nlohmann::json metadata, ParseMetadata(response.metadata));
  if (const nlohmann::json* answers = FindKey(metadata, {"answers"})) {
    TEMPER_ASSIGN_OR_RETURN(const std::vector<std::string> more, ReadStrings(*answers, "answers"));
    golds.insert(golds.end(), more.begin(), more.end());
  }
  if (golds.empty()) {
    return absl::InvalidArgumentError(
        "answer: missing; verifier \"match\" needs it, or a list of strings as \"answers\"");
  }
  return golds;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Verifier>> MatchVerifier::Create(
    const temper::v1::MatchOptions& options, const std::string& extract,
    const std::string& marker) {
  auto verifier = std::unique_ptr<MatchVerifier>(new MatchVerifier);
  const std::string mode = options.mode().empty() ? "exact" : options.mode();
  if (mode == "contains") {
    verifier->mode_ = Mode::kContains;
  } else if (mode == "numeric") {
    verifier->mode_ = Mode::kNumeric;
  } else if (mode == "regex") {
    verifier->mode_ = Mode::kRegex;
  } else if (mode != "exact") {
    return absl::InvalidArgumentError(absl::StrCat("match.mode: found ", Quoted(mode),
                                                   ", expected exact, contains, numeric or regex"));
  }
  const bool numeric = verifier->mode_ == Mode::kNumeric;
  const bool regex = verifier->mode_ == Mode::kRegex;
  if (options.partial() && !regex) return NotOfMode("partial", mode);
  if (options.ignore_case() && numeric) return NotOfMode("ignore_case", mode);
  if (options.has_normalise_blanks() && (regex || numeric)) {
    return NotOfMode("normalise_blanks", mode);
  }
  for (const double tolerance : {options.tolerance(), options.relative_tolerance()}) {
    if (tolerance != 0 && !numeric) return NotOfMode("tolerance", mode);
    if (!std::isfinite(tolerance) || tolerance < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("match.tolerance: found ", tolerance, ", expected 0 or more"));
    }
  }
  verifier->ignore_case_ = options.ignore_case();
  if (options.has_normalise_blanks()) verifier->normalise_blanks_ = options.normalise_blanks();
  verifier->partial_ = options.partial();
  verifier->tolerance_ = options.tolerance();
  verifier->relative_tolerance_ = options.relative_tolerance();
  if (!extract.empty() || !marker.empty()) {
    TEMPER_ASSIGN_OR_RETURN(verifier->extractor_, AnswerExtractor::Create(extract, marker));
  }
  return verifier;
}

std::string MatchVerifier::Normalised(std::string_view text) const {
  if (!ignore_case_ && !normalise_blanks_) return std::string(text);
  std::u32string points = Decoded(text);
  if (ignore_case_) points = Lowered(points);
  if (!normalise_blanks_) return Encoded(points);
  std::u32string joined;
  for (const std::u32string_view word : SplitAtBlanks(points)) {
    if (!joined.empty()) joined += U' ';
    joined += word;
  }
  return Encoded(joined);
}

absl::StatusOr<std::optional<bool>> MatchVerifier::MatchesNumber(std::string_view said,
                                                                 const std::string& gold) const {
  const std::optional<ExactNumber> expected = ParseNumber(NormaliseAnswer(gold));
  if (!expected.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("answer: found ", Quoted(gold), ", expected a number"));
  }
  if (said.size() > kNumberBytesMax) return std::optional<bool>(false);
  const std::optional<ExactNumber> found = ParseNumber(NormaliseAnswer(said));
  if (!found.has_value() || found->percent != expected->percent) return std::optional<bool>(false);
  const mpq_class off = abs(found->value - expected->value);
  const mpq_class relative = relative_tolerance_ * abs(expected->value);
  return std::optional<bool>(off <= (relative > tolerance_ ? relative : tolerance_));
}

absl::StatusOr<std::optional<bool>> MatchVerifier::MatchesGold(std::string_view said,
                                                               const std::string& gold) const {
  if (mode_ == Mode::kNumeric) return MatchesNumber(said, gold);
  if (mode_ == Mode::kRegex) {
    if (gold.empty()) return absl::InvalidArgumentError("answer: found an empty pattern");
    TEMPER_ASSIGN_OR_RETURN(const auto pattern, CompilePattern(gold, "answer", ignore_case_));
    return Matches(*pattern, said, partial_);
  }
  const std::string expected = Normalised(gold);
  if (expected.empty()) return absl::InvalidArgumentError("answer: found nothing but blanks");
  const std::string found = Normalised(said);
  if (mode_ == Mode::kExact) return std::optional<bool>(found == expected);
  return std::optional<bool>(found.find(expected) != std::string::npos);
}

absl::StatusOr<Judgement> MatchVerifier::Judge(const Response& response) const {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<std::string> golds, Golds(response));
  std::string said;
  std::string problem;
  if (response.extracted) {
    said = std::string(response.text);
  } else if (extractor_.has_value()) {
    Extraction extraction = extractor_->Extract(response.text);
    if (!extraction.found) problem = extraction.problem;
    said = std::move(extraction.answer);
  } else {
    said = WithoutThinking(response.text);
  }
  bool undecided = false;
  for (const std::string& gold : golds) {  // all of them: a wrong gold is told in any case
    TEMPER_ASSIGN_OR_RETURN(const std::optional<bool> matches, MatchesGold(said, gold));
    undecided = undecided || !matches.has_value();
    if (problem.empty() && matches.value_or(false)) {
      return Judgement{std::string(kEqual), 1, absl::StrCat("matches ", Quoted(gold))};
    }
  }
  if (!problem.empty()) return Judgement{std::string(kNotEqual), 0, problem};
  if (undecided) {
    return Judgement{std::string(kUndecided), 0, "text and pattern are too long for each other"};
  }
  return Judgement{std::string(kNotEqual), 0,
                   absl::StrCat(Quoted(said), " matches none of ", golds.size())};
}

}  // namespace temper::reward
