// RE2 in Latin-1 would see bytes; here it sees UTF-8, and a byte that is none matches nothing.
#include "agents/select/pattern.h"

#include "absl/strings/str_cat.h"
#include "agents/select/judgement/reply_text.h"

namespace temper::agents {

absl::StatusOr<std::shared_ptr<const re2::RE2>> CompilePattern(const std::string& pattern) {
  constexpr size_t kPatternBytesMax = 4096;
  if (pattern.size() > kPatternBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("a pattern of ", pattern.size(),
                                                   " bytes, expected at most ", kPatternBytesMax));
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<const re2::RE2>(pattern, options);
  if (!compiled->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(HeadOf(pattern), " is not an RE2 pattern: ", compiled->error()));
  }
  return compiled;
}

}  // namespace temper::agents
