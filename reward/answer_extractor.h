// Finds the one final answer of a response; it never offers a second candidate.
//
// What stands inside <think>...</think> is no answer: closed blocks are removed, an unclosed
// <think> hides everything after it, and a </think> that nothing opened (the prompt did) hides
// everything before it.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace temper::reward {

enum class AnswerPlace {
  kAuto,   // the last box; where there is none, after the last "####"
  kBoxed,  // the last balanced \boxed{...}
  kHash,   // after the last "####"
  kAfter,  // after the last `marker`
};

// The problem of a text whose last boxes differ and are offered together.
inline constexpr std::string_view kSeveralAnswers = "several answers are offered";

struct Extraction {
  bool found = false;
  std::string answer;   // trimmed; not empty when found
  std::string problem;  // why nothing was found: "no answer found", ...
};

class AnswerExtractor {
 public:
  // `place`: "" (auto), "auto", "boxed", "hash" or "after"; INVALID_ARGUMENT for another one, or
  // for a marker that is missing or of no use.
  static absl::StatusOr<AnswerExtractor> Create(std::string_view place, std::string_view marker);

  // Linear in the text. Two different boxes that are offered as alternatives ("\boxed{5} or
  // \boxed{6}") are no answer; otherwise the last one counts, as it does for every marker. After a
  // marker the answer is the rest of its line, or the next line that is not blank. Boxes that never
  // close are passed over.
  Extraction Extract(std::string_view text) const;

 private:
  AnswerExtractor(AnswerPlace place, std::string marker)
      : place_(place), marker_(std::move(marker)) {}

  AnswerPlace place_;
  std::string marker_;
};

// The text without its thinking.
std::string WithoutThinking(std::string_view text);

}  // namespace temper::reward
