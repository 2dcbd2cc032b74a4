// A regular expression with the meaning that tokenizer.json gives it (Oniguruma's), run by PCRE2.
//
// Constructs that the two read differently are translated or refused. Immutable once compiled; any
// thread may match with it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::model {

class TextPattern {
 public:
  // The error is one phrase, for the caller to place.
  static absl::StatusOr<TextPattern> Compile(std::string_view pattern);

  struct Match {
    size_t begin, end;
  };
  // All matches from left to right; text must be valid UTF-8. A match may be empty, but not where
  // another one ended. A pattern that needs more steps than any tokenizer's does finds nothing
  // more.
  void FindAll(std::string_view text, std::vector<Match>& matches) const;

 private:
  struct Code;
  explicit TextPattern(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;
};

// Matches the literal text.
std::string EscapedPattern(std::string_view literal);

// What PCRE2 has to be given for an Oniguruma pattern. The error is one phrase.
absl::StatusOr<std::string> TranslatedPattern(std::string_view pattern);

}  // namespace temper::model
