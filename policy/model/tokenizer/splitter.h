// Cuts text into the pieces inside which byte-pair encoding merges: the pre_tokenizer.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::model {

// A regular expression with the meaning that tokenizer.json gives it (Oniguruma's), run by PCRE2.
//
// Constructs that the two read differently are translated or refused.
class TextPattern {
 public:
  // The error is one phrase, for the caller to place.
  static absl::StatusOr<TextPattern> Compile(std::string_view pattern);

  struct Match {
    size_t begin, end;
  };
  // All matches from left to right; text must be valid UTF-8. A pattern that needs more steps than
  // any tokenizer's does finds nothing more.
  void FindAll(std::string_view text, std::vector<Match>& matches) const;

 private:
  struct Code;
  explicit TextPattern(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;
};

// Matches the literal text.
std::string EscapedPattern(std::string_view literal);

struct SplitStep {
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
  Behavior behavior = Behavior::kIsolated;
  bool invert = false;               // what does not match counts as the match
  bool add_prefix_space = false;     // first: a space goes before a piece that starts with none
  std::vector<TextPattern> pattern;  // one, or none: do not split
};

class Splitter {
 public:
  void Add(SplitStep step) { steps_.push_back(std::move(step)); }

  // Pieces of `text` (valid UTF-8), which they view; those with an added space view `owned`.
  std::vector<std::string_view> Split(std::string_view text, std::deque<std::string>& owned) const;

 private:
  std::vector<SplitStep> steps_;
};

}  // namespace temper::model
