// Cuts the source into data and tags, and tags into words; white space control happens here.
#include <algorithm>
#include <charconv>
#include <optional>

#include "absl/strings/ascii.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/numbers.h"
#include "policy/model/chat/jinja/token.h"
#include "policy/model/chat/jinja/unicode.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

using Kind = Token::Kind;

constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                           "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                           ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

bool IsNameStart(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool IsNamePart(char c) { return absl::ascii_isalnum(c) || c == '_'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : in_(source) {}

  absl::StatusOr<std::vector<Token>> Run() {
    while (at_ < in_.size()) TEMPER_RETURN_IF_ERROR(Outside());
    tokens_.push_back({.kind = Kind::kEnd, .text = "", .at = in_.size()});
    return std::move(tokens_);
  }

 private:
  absl::Status Error(size_t at, std::string_view what) const {
    return absl::InvalidArgumentError(Words(PlaceOf(in_, at), ": ", what));
  }

  char Peek(size_t ahead = 0) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  bool Sees(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  void SkipSpace() {
    while (at_ < in_.size()) {
      const Character c = CharacterAt(in_, at_);
      if (!IsSpace(c.code)) return;
      at_ += c.bytes;
    }
  }

  void AddData(size_t begin, size_t end) {
    if (begin < end) {
      tokens_.push_back(
          {.kind = Kind::kData, .text = std::string(in_.substr(begin, end - begin)), .at = begin});
    }
  }

  // Where the text before a tag ends: `sign` is what stands after the tag's two characters.
  size_t Trimmed(size_t begin, size_t end, char sign, bool variable) const {
    if (sign == '-') {
      while (end > begin) {
        size_t last = end - 1;
        while (last > begin && (static_cast<unsigned char>(in_[last]) & 0xc0) == 0x80) --last;
        if (!IsSpace(CharacterAt(in_, last).code)) break;
        end = last;
      }
      return end;
    }
    if (sign == '+' || variable) return end;
    // Blanks between the line's start and the tag go.
    const size_t newline = in_.substr(0, end).rfind('\n');
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if (line < begin) return end;  // another tag stands on this line
    for (size_t at = line; at < end;) {
      const Character c = CharacterAt(in_, at);
      if (!IsSpace(c.code)) return end;
      at += c.bytes;
    }
    return line;
  }

  // Data up to the next tag, and the tag.
  absl::Status Outside() {
    const size_t begin = at_;
    size_t tag = begin;
    for (;; ++tag) {
      tag = in_.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 >= in_.size()) {
        AddData(begin, in_.size());
        at_ = in_.size();
        return absl::OkStatus();
      }
      const char next = in_[tag + 1];
      if (next == '%' || next == '{' || next == '#') break;
    }
    const char type = in_[tag + 1];
    at_ = tag + 2;
    const char sign = Peek() == '-' || Peek() == '+' ? Peek() : '\0';
    AddData(begin, Trimmed(begin, tag, sign, type == '{'));
    if (sign != '\0') ++at_;
    if (type == '#') return Comment(tag);
    if (type == '%' && RawBegins()) return Raw(tag);
    tokens_.push_back({.kind = type == '%' ? Kind::kBlockBegin : Kind::kVariableBegin,
                       .text = type == '%' ? "{%" : "{{",
                       .at = tag});
    return Inside(tag, type == '%');
  }

  // After the end of a block or comment.
  void SkipNewline() {
    if (Peek() == '\n') ++at_;
  }

  absl::Status Comment(size_t tag) {
    const size_t end = in_.find("#}", at_);
    if (end == std::string_view::npos) return Error(tag, "a comment {# has no end #}");
    const char sign = end > at_ ? in_[end - 1] : '\0';
    at_ = end + 2;
    if (sign == '-') {
      SkipSpace();
    } else if (sign != '+') {
      SkipNewline();
    }
    return absl::OkStatus();
  }

  // Steps over `raw %}` when that stands here.
  bool RawBegins() {
    const size_t start = at_;
    SkipSpace();
    if (Sees("raw")) {
      at_ += 3;
      SkipSpace();
      if (Sees("-%}")) {
        at_ += 3;
        SkipSpace();
        return true;
      }
      if (Sees("%}")) {
        at_ += 2;
        return true;
      }
    }
    at_ = start;
    return false;
  }

  absl::Status Raw(size_t tag) {
    const size_t begin = at_;
    for (size_t end = in_.find("{%", begin); end != std::string_view::npos;
         end = in_.find("{%", end + 1)) {
      at_ = end + 2;
      const char sign = Peek() == '-' || Peek() == '+' ? Peek() : '\0';
      if (sign != '\0') ++at_;
      SkipSpace();
      if (!Sees("endraw")) continue;
      at_ += 6;
      SkipSpace();
      if (!TakeBlockEnd()) continue;
      AddData(begin, Trimmed(begin, end, sign, false));
      return absl::OkStatus();
    }
    return Error(tag, "{% raw %} has no {% endraw %}");
  }

  bool TakeBlockEnd() {
    if (Sees("-%}")) {
      at_ += 3;
      SkipSpace();
    } else if (Sees("+%}")) {
      at_ += 3;
    } else if (Sees("%}")) {
      at_ += 2;
      SkipNewline();
    } else {
      return false;
    }
    return true;
  }

  bool TakeVariableEnd() {
    if (Sees("-}}")) {
      at_ += 3;
      SkipSpace();
    } else if (Sees("}}")) {
      at_ += 2;
    } else {
      return false;
    }
    return true;
  }

  // Words up to the tag's end.
  absl::Status Inside(size_t tag, bool block) {
    std::string open;  // brackets to be closed
    while (at_ < in_.size()) {
      const size_t start = at_;
      if (open.empty() && (block ? TakeBlockEnd() : TakeVariableEnd())) {
        tokens_.push_back({.kind = block ? Kind::kBlockEnd : Kind::kVariableEnd,
                           .text = block ? "%}" : "}}",
                           .at = start});
        return absl::OkStatus();
      }
      SkipSpace();
      if (at_ != start) continue;
      TEMPER_RETURN_IF_ERROR(Word(open));
    }
    return Error(tag, block ? "{% has no end %}" : "{{ has no end }}");
  }

  absl::Status Word(std::string& open) {
    const char c = Peek();
    if (absl::ascii_isdigit(c)) return Number();
    if (IsNameStart(c)) {
      const size_t start = at_;
      while (IsNamePart(Peek())) ++at_;
      tokens_.push_back(
          {.kind = Kind::kName, .text = std::string(in_.substr(start, at_ - start)), .at = start});
      return absl::OkStatus();
    }
    if (c == '\'' || c == '"') return String(c);
    for (const std::string_view sign : kOperators) {
      if (!Sees(sign)) continue;
      TEMPER_RETURN_IF_ERROR(Balance(c, open));
      tokens_.push_back({.kind = Kind::kOperator, .text = std::string(sign), .at = at_});
      at_ += sign.size();
      return absl::OkStatus();
    }
    const Character strange = CharacterAt(in_, at_);
    return Error(at_, Words("unexpected character '", in_.substr(at_, strange.bytes), "'"));
  }

  absl::Status Balance(char c, std::string& open) const {
    constexpr std::string_view kOpening = "([{", kClosing = ")]}";
    if (const size_t type = kOpening.find(c); type != std::string_view::npos) {
      open += kClosing[type];
    } else if (kClosing.find(c) != std::string_view::npos) {
      if (open.empty() || open.back() != c) {
        return Error(at_, Words("unexpected '", std::string(1, c), "'"));
      }
      open.pop_back();
    }
    return absl::OkStatus();
  }

  // Steps over digits with single underscores between them.
  void Digits() {
    while (absl::ascii_isdigit(Peek()) || (Peek() == '_' && absl::ascii_isdigit(Peek(1)))) ++at_;
  }

  bool Radix() {
    const char letter = absl::ascii_tolower(Peek(1));
    if (Peek() != '0' || (letter != 'x' && letter != 'o' && letter != 'b')) return false;
    const auto digit = [&](size_t ahead) {
      const char c = Peek(ahead);
      return letter == 'x' ? absl::ascii_isxdigit(c) : c >= '0' && c <= (letter == 'o' ? '7' : '1');
    };
    if (!digit(2) && !(Peek(2) == '_' && digit(3))) return false;
    at_ += 2;
    while (digit(0) || (Peek() == '_' && digit(1))) ++at_;
    return true;
  }

  absl::Status Number() {
    const size_t start = at_;
    Token token{.kind = Kind::kInteger, .text = "", .at = start};
    // In x.0.1 the digits are two indices.
    const bool after_dot = start > 0 && in_[start - 1] == '.';
    if (!Radix()) {
      Digits();
      if (!after_dot && Fraction()) token.kind = Kind::kFloat;
    }
    token.text = in_.substr(start, at_ - start);
    if (token.kind == Kind::kFloat) {
      const std::optional<double> real = ParseReal(token.text);
      if (!real.has_value()) return Error(start, Words("cannot read ", token.text));
      token.real = *real;
    } else {
      const size_t nonzero = token.text.find_first_not_of("0_");
      if (nonzero != std::string::npos && nonzero > 0 && absl::ascii_isdigit(token.text[nonzero])) {
        return Error(start, Words("a number begins with 0: ", token.text));
      }
      const absl::StatusOr<std::optional<int64_t>> integer = ParseInteger(token.text, 0);
      if (!integer.ok()) return Error(start, Words(integer.status().message()));
      if (!integer->has_value()) return Error(start, Words("cannot read ", token.text));
      token.integer = **integer;
    }
    tokens_.push_back(std::move(token));
    return absl::OkStatus();
  }

  // A fraction, an exponent, or both; false and no step when there is neither.
  bool Fraction() {
    const size_t start = at_;
    bool real = false;
    if (Peek() == '.' && absl::ascii_isdigit(Peek(1))) {
      ++at_;
      Digits();
      real = true;
    }
    if (absl::ascii_tolower(Peek()) == 'e') {
      const size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 1 : 0;
      if (absl::ascii_isdigit(Peek(1 + sign))) {
        at_ += 1 + sign;
        Digits();
        real = true;
      }
    }
    if (!real) at_ = start;
    return real;
  }

  absl::Status String(char quote) {
    const size_t start = at_++;
    std::string text;
    while (at_ < in_.size() && Peek() != quote) {
      if (Peek() == '\\') {
        TEMPER_RETURN_IF_ERROR(Escape(text));
      } else {
        text += in_[at_++];
      }
    }
    if (at_ >= in_.size()) return Error(start, "a string has no end");
    ++at_;
    tokens_.push_back({.kind = Kind::kString, .text = std::move(text), .at = start});
    return absl::OkStatus();
  }

  absl::Status Escape(std::string& text) {
    const size_t start = at_++;
    if (at_ >= in_.size()) return Error(start, "a string has no end");
    const char c = in_[at_++];
    constexpr std::string_view kLetters = "\\'\"abfnrtv", kMeant = "\\'\"\a\b\f\n\r\t\v";
    if (const size_t known = kLetters.find(c); known != std::string_view::npos) {
      text += kMeant[known];
      return absl::OkStatus();
    }
    if (c == '\n') return absl::OkStatus();
    if (c >= '0' && c <= '7') {
      --at_;
      return CodePoint(start, 3, 8, text);
    }
    if (c == 'x') return CodePoint(start, 2, 16, text);
    if (c == 'u') return CodePoint(start, 4, 16, text);
    if (c == 'U') return CodePoint(start, 8, 16, text);
    if (c == 'N') return Error(start, "\\N{...} is not supported; use \\u");
    text += '\\';
    --at_;  // what stands there may be more than a byte
    return absl::OkStatus();
  }

  absl::Status CodePoint(size_t start, size_t digits_max, int base, std::string& text) {
    size_t digits = 0;
    while (digits < digits_max && at_ + digits < in_.size() &&
           (base == 16 ? absl::ascii_isxdigit(Peek(digits))
                       : Peek(digits) >= '0' && Peek(digits) <= '7')) {
      ++digits;
    }
    uint32_t code = 0;
    std::from_chars(in_.data() + at_, in_.data() + at_ + digits, code, base);
    at_ += digits;
    const bool whole = base == 8 ? digits > 0 : digits == digits_max;
    if (!whole || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      return Error(
          start, Words("the escape ", in_.substr(start, at_ - start), " stands for no character"));
    }
    AppendUtf8(code, text);
    return absl::OkStatus();
  }

  const std::string_view in_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

std::string NormalizeNewlines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
    } else if (i + 1 >= source.size() || source[i + 1] != '\n') {
      text += '\n';
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

std::string PlaceOf(std::string_view source, size_t at) {
  const std::string_view before = source.substr(0, at);
  const size_t newline = before.rfind('\n');
  const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
  return Words(std::count(before.begin(), before.end(), '\n') + 1, ":",
               before.size() - line_begin + 1);
}

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source) { return Lexer(source).Run(); }

}  // namespace temper::model::jinja
