// A keyword as the published checkers look for it: as a regular expression, in any case.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "re2/re2.h"

namespace temper::reward {

// Keywords without characters that mean something in a regular expression, which is nearly all of
// them, are compared letter by letter in Unicode; others are RE2 patterns (Python's re otherwise),
// with ASCII word boundaries. Linear in the text. Any thread.
class KeywordPattern {
 public:
  struct Options {
    bool whole_words = false;  // \b on both sides
    bool literal = false;      // whatever its characters
    bool any_case = true;
  };
  // INVALID_ARGUMENT begins with `place`.
  static absl::StatusOr<KeywordPattern> Create(const std::string& keyword, const Options& options,
                                               const std::string& place);

  // Occurrences that do not overlap.
  size_t CountIn(std::u32string_view text) const;
  bool IsIn(std::u32string_view text) const;

 private:
  size_t Count(std::u32string_view text, size_t enough) const;

  std::u32string keyword_;  // in lower case where any case will do
  bool whole_words_ = false;
  bool any_case_ = true;
  std::shared_ptr<const re2::RE2> pattern_;  // null for a plain keyword
};

}  // namespace temper::reward
