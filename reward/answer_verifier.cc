// Extracts, normalises, compares; says which of the three decided.
#include "reward/answer_verifier.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "reward/exact_number.h"

namespace temper::reward {
namespace {

// The final answer of a gold text; the whole of it where nothing marks an answer.
std::string FinalGold(std::string_view gold) {
  static const AnswerExtractor extractor = [] {
    auto created = AnswerExtractor::Create("auto", "");
    TEMPER_CHECK(created.ok());
    return *std::move(created);
  }();
  Extraction extraction = extractor.Extract(gold);
  return extraction.found ? std::move(extraction.answer) : std::string(gold);
}

Judgement Miss(std::string reason) { return {std::string(kNotEqual), 0, std::move(reason)}; }

}  // namespace

Judgement CompareAnswers(std::string_view gold, std::string_view answer) {
  const std::string wanted = NormaliseAnswer(FinalGold(gold));
  if (wanted.size() > kNumberBytesMax) {
    return {std::string(kUndecided), 0,
            absl::StrCat("the gold answer is longer than ", kNumberBytesMax, " bytes")};
  }
  const std::string given = NormaliseAnswer(answer);
  if (given.empty()) return Miss("the answer is empty");
  if (given.size() > kNumberBytesMax) {
    return Miss(absl::StrCat("the answer is longer than ", kNumberBytesMax, " bytes"));
  }
  const std::optional<ExactNumber> wanted_number = ParseNumber(wanted);
  const std::optional<ExactNumber> given_number = ParseNumber(given);
  const std::string both = absl::StrCat("found ", Quoted(given), ", expected ", Quoted(wanted));
  if (wanted_number.has_value() && given_number.has_value()) {
    if (*wanted_number == *given_number) return {std::string(kEqual), 1, "the same number"};
    return Miss(absl::StrCat("another number: ", both));
  }
  if (wanted == given) return {std::string(kEqual), 1, "the same text"};
  if (wanted_number.has_value()) return Miss(absl::StrCat("not a number: ", both));
  return Miss(absl::StrCat("another text: ", both));
}

absl::StatusOr<Judgement> AnswerVerifier::Judge(const Response& response) const {
  if (NormaliseAnswer(response.gold).empty()) {
    return absl::InvalidArgumentError(
        "verifier \"answer\" needs a gold answer and this problem has none; check the dataset's "
        "\"answer\" field");
  }
  if (response.extracted) return CompareAnswers(response.gold, response.text);
  const Extraction extraction = extractor_.Extract(response.text);
  if (!extraction.found) return Miss(extraction.problem);
  return CompareAnswers(response.gold, extraction.answer);
}

}  // namespace temper::reward
