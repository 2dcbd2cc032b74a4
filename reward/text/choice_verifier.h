// Did the response choose the right option of a multiple-choice question?
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "reward/answer_extractor.h"
#include "reward/text/choice_reader.h"
#include "reward/verifier.h"

namespace temper::v1 {
class ChoiceOptions;
}

namespace temper::reward {

// Verifier "choice": 1 when the option that is chosen is the gold one. The gold is a letter, or the
// text of one option; options stand in the metadata ("options" or "choices": a list, or an object
// from letters to texts). A response that names no option, or several, scores 0: nothing is ever
// guessed.
class ChoiceVerifier : public Verifier {
 public:
  // `extract` and `marker` as AnswerExtractor has them; "" looks everywhere an answer may stand.
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::ChoiceOptions& options, const std::string& extract,
      const std::string& marker);

  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  ChoiceVerifier() = default;
  absl::StatusOr<Choices> ReadChoices(const Response& response) const;
  Choice Chosen(std::string_view text, const Choices& choices) const;

  std::string letters_;
  bool option_text_ = true;
  std::optional<AnswerExtractor> extractor_;  // where the spec says where the answer stands
};

}  // namespace temper::reward
