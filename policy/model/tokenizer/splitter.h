// Cuts text into the pieces inside which byte-pair encoding merges: the pre_tokenizer.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "policy/model/tokenizer/text_pattern.h"

namespace temper::model {

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
  size_t steps() const { return steps_.size(); }

  // Pieces of `text` (valid UTF-8), which they view; those with an added space view `owned`.
  std::vector<std::string_view> Split(std::string_view text, std::deque<std::string>& owned) const;

 private:
  std::vector<SplitStep> steps_;
};

}  // namespace temper::model
