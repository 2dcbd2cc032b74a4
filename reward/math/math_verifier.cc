// Extracts one answer and hands it to CompareMath.
#include "reward/math/math_verifier.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/trim.h"
#include "nlohmann/json.hpp"
#include "reward/math/characters.h"

namespace temper::reward {
namespace {

// The details say what was compared: votes over samples count it.
Judgement WithAnswer(Judgement judgement, const std::string& answer) {
  nlohmann::ordered_json details =
      judgement.details.empty() ? nlohmann::ordered_json::object()
                                : nlohmann::ordered_json::parse(judgement.details, nullptr, false);
  details["answer"] = answer;
  judgement.details =
      details.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return judgement;
}

}  // namespace

absl::StatusOr<Judgement> MathVerifier::Judge(const Response& response) const {
  if (Trimmed(response.gold).empty()) {
    return absl::InvalidArgumentError(
        "verifier \"math\" needs a gold answer and this problem has none; check the dataset's "
        "\"answer\" field");
  }
  if (response.extracted) return math::CompareMath(response.gold, response.text, policy_);
  const Extraction extraction = extractor_.Extract(response.text);
  if (extraction.found) {
    return WithAnswer(math::CompareMath(response.gold, extraction.answer, policy_),
                      extraction.answer);
  }
  if (extraction.problem == kSeveralAnswers) {
    return math::CompareMath(response.gold, WithoutThinking(response.text), policy_);
  }
  return Judgement{std::string(kNotEqual), 0, extraction.problem, ""};
}

}  // namespace temper::reward
