// Plain keywords are found by their letters; only patterns go to RE2.
#include "reward/instruction/keyword_pattern.h"

#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "reward/text/code_points.h"
#include "reward/text/pattern.h"

namespace temper::reward {
namespace {

bool IsBoundary(std::u32string_view text, size_t at) {
  const bool before = at > 0 && IsWordChar(text[at - 1]);
  const bool after = at < text.size() && IsWordChar(text[at]);
  return before != after;
}

}  // namespace

absl::StatusOr<KeywordPattern> KeywordPattern::Create(const std::string& keyword,
                                                      const Options& options,
                                                      const std::string& place) {
  KeywordPattern made;
  made.whole_words_ = options.whole_words;
  made.any_case_ = options.any_case;
  if (!options.literal && keyword.find_first_of("\\^$.|?*+()[]{}") != std::string::npos) {
    const std::string bounded = options.whole_words ? "\\b" + keyword + "\\b" : keyword;
    TEMPER_ASSIGN_OR_RETURN(made.pattern_, CompilePattern(bounded, place, options.any_case));
    return made;
  }
  made.keyword_ = Decoded(keyword);
  if (options.any_case) made.keyword_ = Lowered(made.keyword_);
  if (made.keyword_.empty()) return absl::InvalidArgumentError(place + ": is empty");
  return made;
}

size_t KeywordPattern::Count(std::u32string_view text, size_t enough) const {
  size_t count = 0;
  if (pattern_ != nullptr) {
    const std::string bytes = Encoded(text);
    const re2::StringPiece whole(bytes);
    size_t at = 0;
    re2::StringPiece found;
    while (count < enough && at <= whole.size() &&
           pattern_->Match(whole, at, whole.size(), re2::RE2::UNANCHORED, &found, 1)) {
      ++count;
      const size_t end = static_cast<size_t>(found.data() - whole.data()) + found.size();
      at = found.empty() ? end + 1 : end;
    }
    return count;
  }
  std::u32string folded;
  if (any_case_) {
    folded = Lowered(text);
    text = folded;
  }
  for (size_t at = text.find(keyword_); at != text.npos && count < enough;) {
    const size_t end = at + keyword_.size();
    const bool whole = !whole_words_ || (IsBoundary(text, at) && IsBoundary(text, end));
    if (whole) ++count;
    at = text.find(keyword_, whole ? end : at + 1);
  }
  return count;
}

size_t KeywordPattern::CountIn(std::u32string_view text) const {
  return Count(text, std::numeric_limits<size_t>::max());
}

bool KeywordPattern::IsIn(std::u32string_view text) const { return Count(text, 1) > 0; }

}  // namespace temper::reward
