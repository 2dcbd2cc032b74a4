// Does a response think where it was asked to, and only there?
#pragma once

#include <memory>
#include <string>

#include "reward/verifier.h"

namespace temper::v1 {
class ThinkingOptions;
}

namespace temper::reward {

// Verifier "thinking": 1 when the tags are right, else 0. On: exactly one opening tag at the start
// of the response, a thought, exactly one closing tag, an answer. Off: no tag anywhere. Tags are
// found in any case of their letters, so that "</THINK>" in an answer is one tag too many. Meant as
// a gate: form alone should never pay.
class ThinkingVerifier : public Verifier {
 public:
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::ThinkingOptions& options);

  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  ThinkingVerifier() = default;
  // What is wrong with the text, or "".
  std::string Problem(std::string_view text) const;

  bool on_ = true;
  std::string open_;
  std::string close_;
  bool opened_by_prompt_ = false;
  bool empty_thought_ = false;
};

}  // namespace temper::reward
