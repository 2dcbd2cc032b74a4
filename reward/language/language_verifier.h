// Is the response written in the language that it should be written in?
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "reward/verifier.h"

namespace temper::v1 {
class LanguageOptions;
}

namespace temper::reward {

// Verifier "language": the share of letters outside code and mathematics that are of the language's
// script must reach share_min; where several languages share a script, CLD2 must not be sure that
// it is another one. Verdicts "equal", "not_equal", and "skipped" (score 1) for a text that is too
// short to tell, or a prompt whose language cannot be told.
class LanguageVerifier : public Verifier {
 public:
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::LanguageOptions& options);

  // INVALID_ARGUMENT for a language that is not known.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  enum class Part { kAnswer, kThought, kResponse };
  LanguageVerifier() = default;
  // The language that is wanted; "" when the prompt does not tell.
  absl::StatusOr<std::string> Wanted(const Response& response) const;
  std::string_view PartOf(std::string_view text, std::string& storage) const;

  std::string language_;
  Part part_ = Part::kAnswer;
  double share_min_ = 0.9;
  int letters_min_ = 20;
  bool fraction_ = false;
};

}  // namespace temper::reward
