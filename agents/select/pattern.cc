// RE2 in Latin-1 would see bytes; here it sees UTF-8, and a byte that is none matches nothing.
#include "agents/select/pattern.h"

#include "absl/strings/str_cat.h"
#include "agents/select/judgement/reply_text.h"
#include "base/status_macros.h"

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

absl::StatusOr<std::shared_ptr<const re2::RE2>> CompileReadingPattern(const std::string& pattern) {
  TEMPER_ASSIGN_OR_RETURN(std::shared_ptr<const re2::RE2> compiled, CompilePattern(pattern));
  if (compiled->NumberOfCapturingGroups() == 1) return compiled;
  return absl::InvalidArgumentError(
      absl::StrCat(HeadOf(pattern), " has ", compiled->NumberOfCapturingGroups(),
                   " groups, expected one, around what is read; others can be (?:...)"));
}

std::optional<std::string> LastGroup(const re2::RE2& pattern, std::string_view text) {
  const re2::StringPiece whole(text.data(), text.size());
  std::optional<std::string> found;
  re2::StringPiece groups[2];
  for (size_t at = 0; at <= text.size() &&
                      pattern.Match(whole, at, text.size(), re2::RE2::UNANCHORED, groups, 2);) {
    found = std::string(groups[1].data() == nullptr ? "" : groups[1].as_string());
    const size_t end = static_cast<size_t>(groups[0].data() - text.data()) + groups[0].size();
    at = groups[0].empty() ? end + 1 : end;
  }
  return found;
}

}  // namespace temper::agents
