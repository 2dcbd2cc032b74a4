// Does the response have the form that was asked for?
#pragma once

#include <memory>
#include <string>

#include "reward/verifier.h"

namespace re2 {
class RE2;
}

namespace temper::reward {

// Longest pattern that is taken; RE2 matches in time linear in the response.
inline constexpr size_t kPatternBytesMax = 4096;

// Verifier "format": 1 when `pattern` (RE2 syntax; "." stops at a line end unless the pattern says
// "(?s)") matches the whole response, thinking included, else 0. Meant as a gate: form alone should
// never pay.
class FormatVerifier : public Verifier {
 public:
  // INVALID_ARGUMENT for a pattern that is missing, too long or not RE2, with what RE2 says about
  // it.
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(const std::string& pattern);

  ~FormatVerifier() override;
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  explicit FormatVerifier(std::unique_ptr<const re2::RE2> pattern);

  const std::unique_ptr<const re2::RE2> pattern_;
};

}  // namespace temper::reward
