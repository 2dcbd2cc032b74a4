// Rewrites Oniguruma patterns for PCRE2, construct by construct.
#include <algorithm>
#include <cctype>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "policy/model/tokenizer/text_pattern.h"

namespace temper::model {
namespace {

// PCRE2 counts U+180E as a space, Unicode no longer does.
constexpr char kSpace[] =
    "\\t-\\r\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}"
    "\\x{3000}";
// Oniguruma's \w holds marks, of numbers only the decimal ones, and yet the powers and fractions of
// Latin-1.
constexpr char kWord[] = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}";

bool IsLetter(char c) { return std::isalpha(static_cast<unsigned char>(c)); }
bool IsAlphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)); }

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  absl::StatusOr<std::string> Run() {
    while (at_ < in_.size()) TEMPER_RETURN_IF_ERROR(Step());
    return out_;
  }

 private:
  absl::Status Step() {
    const char c = in_[at_];
    if (c == '\\') return Escape();
    if (in_class_) return InClass(c);
    if (c == '[') {
      in_class_ = true;
      Copy(1);
      if (Peek(0) == '^') Copy(1);
      if (Peek(0) == ']') return Unsupported("an empty character class");
      return absl::OkStatus();
    }
    if (c == '(' && Peek(1) == '?') return Group();
    if (c == '(' && Peek(1) == '*') return Unsupported("(*");
    if (c == '{') return Braces();
    Copy(1);
    return absl::OkStatus();
  }

  absl::Status InClass(char c) {
    if (c == '[') return Unsupported("a character class inside another");
    if (c == '&' && Peek(1) == '&') return Unsupported("&& in a character class");
    if (c == ']') in_class_ = false;
    Copy(1);
    return absl::OkStatus();
  }

  absl::Status Escape() {
    const char c = Peek(1);
    switch (c) {
      case 's':
      case 'w': {
        const char* set = c == 's' ? kSpace : kWord;
        return Replace(2, in_class_ ? set : absl::StrCat("[", set, "]"));
      }
      case 'S':
      case 'W':
        if (in_class_) return Unsupported(absl::StrCat("\\", std::string(1, c), " in [...]"));
        return Replace(2, absl::StrCat("[^", c == 'S' ? kSpace : kWord, "]"));
      case 'b':
      case 'B':
        return in_class_ ? Unsupported("\\b in [...]") : Boundary(c == 'b');
      case 'v':
        return Replace(2, "\\x{0b}");
      case 'u':
        if (in_.size() < at_ + 6) return Unsupported("a \\u without four digits");
        return Replace(6, absl::StrCat("\\x{", std::string(in_.substr(at_ + 2, 4)), "}"));
      case 'p':
      case 'P':
        return Property();
      case 'x': {
        const size_t close = Peek(2) == '{' ? in_.find('}', at_) : at_ + 2;
        if (close == std::string_view::npos) return Unsupported("an open brace");
        Copy(close + 1 - at_);
        return absl::OkStatus();
      }
      default:
        if (IsAlphanumeric(c) && std::string_view("dDnrtfAzZ").find(c) == std::string_view::npos) {
          return Unsupported(absl::StrCat("\\", std::string(1, c)));
        }
        Copy(2);
        return absl::OkStatus();
    }
  }

  // The two disagree about \w, and so about where a word begins.
  absl::Status Boundary(bool is) {
    const std::string word = absl::StrCat("[", kWord, "]");
    return Replace(
        2, is ? absl::StrCat("(?:(?<=", word, ")(?!", word, ")|(?<!", word, ")(?=", word, "))")
              : absl::StrCat("(?:(?<=", word, ")(?=", word, ")|(?<!", word, ")(?!", word, "))"));
  }

  // \p{Han} is the script of a character in one, all scripts that use it in the other.
  absl::Status Property() {
    const size_t close = in_.find('}', at_);
    if (Peek(2) != '{' || close == std::string_view::npos) {
      return Unsupported("\\p without {...}");
    }
    std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
    const bool caret = name.starts_with('^');
    if (caret) name.remove_prefix(1);
    if (name.empty() || !std::all_of(name.begin(), name.end(), IsLetter)) {
      return Unsupported(absl::StrCat("\\p{", std::string(name), "}"));
    }
    const bool script = name.size() > 2 && name != "Alphabetic";
    return Replace(close + 1 - at_,
                   absl::StrCat("\\", std::string(1, Peek(1)), "{", caret ? "^" : "",
                                script ? "sc:" : "", std::string(name), "}"));
  }

  // Groups that mean the same in both. (?i) does; m, s and x do not.
  absl::Status Group() {
    const char c = Peek(2);
    if (c == 'i' || c == '-') {
      for (size_t i = 2; Peek(i) != ')' && Peek(i) != ':'; ++i) {
        if (Peek(i) != 'i' && Peek(i) != '-') return Unsupported("flags other than (?i)");
      }
    } else if (IsLetter(c)) {
      return Unsupported("flags other than (?i)");
    } else if (std::string_view(":=!>").find(c) == std::string_view::npos &&
               !(c == '<' && (Peek(3) == '=' || Peek(3) == '!'))) {
      return Unsupported(absl::StrCat("(?", std::string(in_.substr(at_ + 2, 1))));
    }
    Copy(2);
    return absl::OkStatus();
  }

  // x{1,3}+ repeats in one and forbids going back in the other; x{2}? and x{,3} differ too.
  absl::Status Braces() {
    if (Peek(1) == ',') return Unsupported("{,");
    const size_t close = in_.find('}', at_);
    if (close != std::string_view::npos && close + 1 < in_.size()) {
      const char next = in_[close + 1];
      if (next == '+') return Unsupported("a + after {...}");
      if (next == '?') return Unsupported("a ? after {...}");
    }
    Copy(1);
    return absl::OkStatus();
  }

  char Peek(size_t ahead) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  void Copy(size_t count) {
    out_.append(in_.substr(at_, count));
    at_ = std::min(in_.size(), at_ + count);
  }
  absl::Status Replace(size_t count, std::string_view text) {
    out_.append(text);
    at_ += count;
    return absl::OkStatus();
  }
  absl::Status Unsupported(std::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("at place ", at_, ": ", std::string(what), " is not supported"));
  }

  std::string_view in_;
  size_t at_ = 0;
  std::string out_;
  bool in_class_ = false;
};

}  // namespace

absl::StatusOr<std::string> TranslatedPattern(std::string_view pattern) {
  return Translator(pattern).Run();
}

}  // namespace temper::model
