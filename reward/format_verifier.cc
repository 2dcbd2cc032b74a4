// Full match of an RE2 pattern: nothing a user or a model writes can make it slow.
#include "reward/format_verifier.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "re2/re2.h"

namespace temper::reward {

FormatVerifier::FormatVerifier(std::unique_ptr<const re2::RE2> pattern)
    : pattern_(std::move(pattern)) {}
FormatVerifier::~FormatVerifier() = default;

absl::StatusOr<std::unique_ptr<const Verifier>> FormatVerifier::Create(const std::string& pattern) {
  if (pattern.empty()) {
    return absl::InvalidArgumentError(
        "pattern: missing; verifier \"format\" needs the RE2 pattern that the whole response must "
        "match");
  }
  if (pattern.size() > kPatternBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "pattern: ", pattern.size(), " bytes long, expected at most ", kPatternBytesMax));
  }
  RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_unique<const RE2>(pattern, options);
  if (!compiled->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("pattern: ", Quoted(pattern), " is not an RE2 pattern: ", compiled->error()));
  }
  return std::unique_ptr<const Verifier>(new FormatVerifier(std::move(compiled)));
}

absl::StatusOr<Judgement> FormatVerifier::Judge(const Response& response) const {
  const re2::StringPiece text(response.text.data(), response.text.size());
  if (RE2::FullMatch(text, *pattern_))
    return Judgement{std::string(kEqual), 1, "the form is right"};
  return Judgement{std::string(kNotEqual), 0, "the response does not match the pattern"};
}

}  // namespace temper::reward
