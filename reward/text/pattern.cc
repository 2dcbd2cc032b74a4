// RE2 is linear in the text, but its slow path multiplies that by the size of the pattern.
#include "reward/text/pattern.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

constexpr size_t kPatternBytesMax = 4096;
constexpr size_t kStepsMax = size_t{1} << 31;

}  // namespace

absl::StatusOr<std::unique_ptr<const re2::RE2>> CompilePattern(const std::string& pattern,
                                                               const std::string& place,
                                                               bool ignore_case) {
  if (pattern.size() > kPatternBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": a pattern of ", pattern.size(),
                                                   " bytes, expected at most ", kPatternBytesMax));
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(!ignore_case);
  auto compiled = std::make_unique<const re2::RE2>(pattern, options);
  if (!compiled->ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        place, ": ", Quoted(pattern), " is not an RE2 pattern: ", Quoted(compiled->error())));
  }
  return compiled;
}

std::optional<bool> Matches(const re2::RE2& pattern, std::string_view text, bool partial) {
  const size_t instructions = static_cast<size_t>(pattern.ProgramSize());
  if (text.size() > kStepsMax / (instructions + 1)) return std::nullopt;
  const re2::StringPiece piece(text.data(), text.size());
  return partial ? re2::RE2::PartialMatch(piece, pattern) : re2::RE2::FullMatch(piece, pattern);
}

}  // namespace temper::reward
