// Rewrites text before it is cut: the normalizer.
//
// Unicode's normal forms come from utf8proc, whose tables are Unicode 15.0. Immutable once filled;
// any thread may call it.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "policy/model/tokenizer/text_pattern.h"

namespace temper::model {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

struct PrependStep {
  std::string text;
};

struct ReplaceStep {
  TextPattern pattern;
  std::string content;

  std::string Replaced(std::string_view text) const;
};

class Normalizer {
 public:
  using Step = std::variant<NormalForm, PrependStep, ReplaceStep>;
  void Add(Step step) { steps_.push_back(std::move(step)); }
  size_t steps() const { return steps_.size(); }

  // `text` (valid UTF-8) rewritten; views `text` itself or `storage`.
  std::string_view Apply(std::string_view text, std::string& storage) const;

 private:
  std::vector<Step> steps_;
};

// `text` (valid UTF-8) in a normal form, in O(n log n) whatever it holds.
std::string Normalized(std::string_view text, NormalForm form);

}  // namespace temper::model
