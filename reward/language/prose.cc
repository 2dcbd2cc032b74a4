// A scanner that copies what it does not recognise. Searches for the end of a piece that fail are
// remembered, so that a thousand openings without an end cost one search.
#include "reward/language/prose.h"

#include <algorithm>
#include <utility>

#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

constexpr size_t kNone = std::u32string_view::npos;
constexpr size_t kInlineMax = 500;  // longest $...$ and `...`

bool IsAsciiLetter(char32_t c) { return c < 0x80 && IsAlphabetic(c); }

class Scanner {
 public:
  explicit Scanner(std::u32string_view text) : text_(text) {}

  std::u32string Run() {
    std::u32string prose;
    prose.reserve(text_.size());
    while (at_ < text_.size()) {
      const size_t end = EndOfPiece();
      if (end == kNone) {
        prose += text_[at_++];
      } else {
        prose += U' ';
        at_ = end;
      }
    }
    return prose;
  }

 private:
  bool Starts(std::u32string_view what) const { return text_.substr(at_, what.size()) == what; }

  // Behind the next `close` from `from` on; kNone when there is none.
  size_t Behind(std::u32string_view close, size_t from, bool& none_left) {
    if (none_left) return kNone;
    const size_t found = text_.find(close, from);
    none_left = found == kNone;
    return none_left ? kNone : found + close.size();
  }

  // Behind `close` on the same line and near; kNone otherwise.
  size_t BehindNear(char32_t close) const {
    const size_t last = std::min(text_.size(), at_ + kInlineMax);
    for (size_t i = at_ + 1; i < last && text_[i] != U'\n'; ++i) {
      if (text_[i] == close) return i + 1;
    }
    return kNone;
  }

  // "$5 and $6" is no formula: blanks do not stand inside the signs, digits not behind them.
  size_t BehindFormula() const {
    if (at_ + 1 >= text_.size() || IsSpace(text_[at_ + 1])) return kNone;
    const size_t end = BehindNear(U'$');
    if (end == kNone || IsSpace(text_[end - 2])) return kNone;
    return end < text_.size() && IsDigit(text_[end]) ? kNone : end;
  }

  // Behind the brace that closes the one at `open`.
  size_t BehindBraces(size_t open) const {
    size_t depth = 0;
    const size_t last = std::min(text_.size(), open + kInlineMax);
    for (size_t i = open; i < last; ++i) {
      if (text_[i] == U'{') ++depth;
      if (text_[i] == U'}' && --depth == 0) return i + 1;
    }
    return kNone;
  }

  size_t BehindCommand() {
    if (Starts(U"\\(")) return Behind(U"\\)", at_ + 2, no_round_);
    if (Starts(U"\\[")) return Behind(U"\\]", at_ + 2, no_square_);
    if (Starts(U"\\boxed{")) {
      if (const size_t end = BehindBraces(at_ + 6); end != kNone) return end;
    }
    size_t end = at_ + 1;
    while (end < text_.size() && IsAsciiLetter(text_[end])) ++end;
    return end > at_ + 1 ? end : kNone;
  }

  // The end of what starts here and is no prose; kNone where prose goes on.
  size_t EndOfPiece() {
    switch (text_[at_]) {
      case U'`':
        if (Starts(U"```")) return Behind(U"```", at_ + 3, no_fence_);
        return BehindNear(U'`');
      case U'$':
        if (Starts(U"$$")) return Behind(U"$$", at_ + 2, no_dollars_);
        return BehindFormula();
      case U'\\':
        return BehindCommand();
      case U'<': {
        const bool tag =
            at_ + 1 < text_.size() && (IsAsciiLetter(text_[at_ + 1]) || text_[at_ + 1] == U'/');
        return tag ? BehindNear(U'>') : kNone;
      }
      case U':':
        if (!Starts(U"://")) return kNone;
        {
          size_t end = at_;
          while (end < text_.size() && !IsSpace(text_[end])) ++end;
          return end;
        }
      default:
        return kNone;
    }
  }

  const std::u32string_view text_;
  size_t at_ = 0;
  bool no_round_ = false;
  bool no_square_ = false;
  bool no_fence_ = false;
  bool no_dollars_ = false;
};

}  // namespace

std::u32string Prose(std::u32string_view text) { return Scanner(text).Run(); }

}  // namespace temper::reward
