// One pass over the bytes; token_tables.h says which spellings are the same.
#include "reward/math/token.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "reward/math/characters.h"
#include "reward/math/token_tables.h"
#include "reward/verifier.h"

namespace temper::reward::math {
namespace {

size_t CharacterBytes(char first) {
  const unsigned char c = static_cast<unsigned char>(first);
  return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

class Scanner {
 public:
  Scanner(std::string_view text, const NumberStyle& style) : text_(text), style_(style) {}

  absl::StatusOr<std::vector<Token>> Run() {
    if (text_.size() > kAnswerBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat("longer than ", kAnswerBytesMax, " bytes"));
    }
    while (at_ < text_.size()) {
      if (absl::Status status = Next(); !status.ok()) return status;
      if (tokens_.size() > kTokensMax) {
        return absl::InvalidArgumentError(absl::StrCat("more than ", kTokensMax, " tokens"));
      }
    }
    Push(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void Push(TokenKind kind, std::string_view text) {
    tokens_.push_back({kind, std::string(text), std::exchange(space_, false)});
  }

  void Mark(std::string_view mark) {
    if (mark == "(" || mark == "[" || mark == "\\{" || mark == "<<") ++depth_;
    if ((mark == ")" || mark == "]" || mark == "\\}" || mark == ">>") && depth_ > 0) --depth_;
    Push(TokenKind::kMark, mark);
  }

  absl::Status Next() {
    const char c = Peek();
    if (IsBlank(c) || c == '~') {
      space_ = true;
      ++at_;
    } else if (c == '\\') {
      return Backslash();
    } else if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
      Push(TokenKind::kNumber, ReadNumber());
    } else if (IsLetter(c)) {
      size_t end = at_;
      while (end < text_.size() && IsLetter(text_[end])) ++end;
      Push(TokenKind::kWord, text_.substr(at_, end - at_));
      at_ = end;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      return ReadForeign();
    } else {
      ReadMark();
    }
    return absl::OkStatus();
  }

  void ReadMark() {
    for (const auto& [written, mark] :
         std::array<std::pair<std::string_view, std::string_view>, 13>{{{"<=", "<="},
                                                                        {">=", ">="},
                                                                        {"!=", "!="},
                                                                        {"==", "="},
                                                                        {"=<", "<="},
                                                                        {"=>", ">="},
                                                                        {"**", "^"},
                                                                        {"...", "..."},
                                                                        {"||", "||"},
                                                                        {":=", "="},
                                                                        {"+/-", "+-"},
                                                                        {"+-", "+-"},
                                                                        {"~", " "}}}) {
      if (text_.substr(at_).starts_with(written)) {
        // "|x||y|" is two absolute values, and "3+-2" a sum.
        if (written == "||" || written == "+-") break;
        at_ += written.size();
        return Mark(mark);
      }
    }
    Mark(text_.substr(at_++, 1));
  }

  absl::Status ReadForeign() {
    const std::string_view character = text_.substr(at_, CharacterBytes(Peek()));
    at_ += character.size();
    const auto find = [&](const SpellingTable& table) {
      const auto it = table.find(character);
      return it == table.end() ? std::string_view() : it->second;
    };
    if (character == "\u00a0" || character == "\u2009" || character == "\u202f" ||
        character == "\u200b" || character == "\u3000") {
      space_ = true;
    } else if (const auto mark = find(Foreign()); !mark.empty()) {
      Mark(mark);
    } else if (const auto macro = find(ForeignMacros()); !macro.empty()) {
      Push(TokenKind::kMacro, macro);
    } else if (const auto fraction = find(Vulgar()); !fraction.empty()) {
      Push(TokenKind::kMacro, "vulgar");
      Push(TokenKind::kText, fraction);
    } else if (const auto raised = find(Raised()); !raised.empty()) {
      Script("^", raised, Raised());
    } else if (const auto lowered = find(Lowered()); !lowered.empty()) {
      Script("_", lowered, Lowered());
    } else {
      return absl::InvalidArgumentError(absl::StrCat("character ", Quoted(character)));
    }
    return absl::OkStatus();
  }

  // A run of raised or lowered characters becomes ^{...} or _{...}.
  void Script(std::string_view mark, std::string_view first, const SpellingTable& table) {
    Push(TokenKind::kMark, mark);
    Push(TokenKind::kMark, "{");
    std::string digits(first);
    while (at_ < text_.size()) {
      const auto it = table.find(text_.substr(at_, CharacterBytes(Peek())));
      if (it == table.end()) break;
      digits += it->second;
      at_ += it->first.size();
    }
    std::string_view rest = digits;
    if (Consume(rest, "-")) Push(TokenKind::kMark, "-");
    if (!rest.empty()) {
      Push(IsDigit(rest[0]) ? TokenKind::kNumber : TokenKind::kWord, rest);
    }
    Push(TokenKind::kMark, "}");
  }

  // Past what stands between two groups of thousands at `at`; 0 when nothing such stands there.
  size_t SeparatorBytes(size_t at) const {
    const std::string_view rest = text_.substr(at);
    for (const std::string_view mark :
         {",\\!", "{,}\\!", "{,}", "{, }", " {, }", " {,}", "\\,", "\\ ", "{ }", "~", "\\;"}) {
      if (!rest.starts_with(mark)) continue;
      size_t bytes = mark.size();
      while (bytes < rest.size() && rest[bytes] == ' ') ++bytes;
      return bytes;
    }
    if (rest.starts_with("\u202f")) return 3;
    if (rest.starts_with("\u00a0")) return 2;
    if (depth_ > 0 || !style_.thousands) return 0;
    const char mark = style_.decimal_comma ? '.' : ',';
    return !rest.empty() && (rest[0] == mark || rest[0] == ' ') ? 1 : 0;
  }

  bool ThreeDigitsAt(size_t at) const {
    if (at + 3 > text_.size()) return false;
    for (size_t i = at; i < at + 3; ++i) {
      if (!IsDigit(text_[i])) return false;
    }
    return at + 3 == text_.size() || !IsDigit(text_[at + 3]);
  }

  std::string ReadDigits() {
    const size_t begin = at_;
    while (IsDigit(Peek())) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string ReadNumber() {
    std::string number = ReadDigits();
    if (!number.empty() && number.size() <= 3 && number[0] != '0') {
      std::string_view used;  // 1,234 567 is no number
      for (size_t bytes; (bytes = SeparatorBytes(at_)) > 0 && ThreeDigitsAt(at_ + bytes);) {
        const std::string_view mark = text_.substr(at_, 1);
        if (!used.empty() && mark != used) break;
        used = mark;
        at_ += bytes;
        number += ReadDigits();
      }
    }
    const char point = style_.decimal_comma ? ',' : '.';
    if (Peek() == point && IsDigit(Peek(1))) {
      ++at_;
      absl::StrAppend(&number, ".", ReadDigits());
    } else if (text_.substr(at_).starts_with("{,}") && IsDigit(Peek(3))) {
      at_ += 3;
      absl::StrAppend(&number, ".", ReadDigits());
    } else if (Peek() == point && (text_.substr(at_ + 1).starts_with("\\overline") ||
                                   text_.substr(at_ + 1).starts_with("\\bar") ||
                                   text_.substr(at_ + 1).starts_with("\\dot{"))) {
      ++at_;
      number += '.';
    }
    ReadExponent(number);
    return number;
  }

  void ReadExponent(std::string& number) {
    if (Peek() != 'e' && Peek() != 'E') return;
    const bool sign = Peek(1) == '+' || Peek(1) == '-';
    if (!IsDigit(Peek(sign ? 2 : 1))) return;
    number += 'e';
    ++at_;
    if (sign) number += text_[at_++];
    number += ReadDigits();
  }

  absl::Status Backslash() {
    size_t end = ++at_;
    while (end < text_.size() && IsLetter(text_[end])) ++end;
    if (end == at_) return Escaped();
    std::string_view name = text_.substr(at_, end - at_);
    // "\quadx" is a space and an x.
    for (const std::string_view space : {"qquad", "quad"}) {
      if (name.starts_with(space)) name = space;
    }
    at_ += name.size();
    return Macro(name);
  }

  // A backslash and something that is no letter.
  absl::Status Escaped() {
    const char c = Peek();
    if (c == '\0') return absl::OkStatus();
    ++at_;
    if (c == '\\') {
      Mark("\\\\");
    } else if (c == '{') {
      Mark("\\{");
    } else if (c == '}') {
      Mark("\\}");
    } else if (c == '|') {
      Mark("||");
    } else if (c == '%' || c == '$' || c == '&' || c == '_' || c == '#') {
      Mark(std::string_view(&c, 1));
    } else {
      space_ = true;
    }
    return absl::OkStatus();
  }

  absl::Status Macro(std::string_view name) {
    if (name == "left" || name == "right") return Sized(name == "left");
    if (Silent().contains(name)) {
      space_ = true;
      return absl::OkStatus();
    }
    if (name == "hspace" || name == "vspace" || name == "phantom" || name == "hphantom" ||
        name == "color" || name == "label" || name == "tag") {
      return ReadBraces().status();
    }
    if (name == "begin" || name == "end") return Environment(name);
    if (name == "mathbb") return Blackboard();
    if (Wording().contains(name)) return Words(true);
    if (Lettering().contains(name)) return Words(false);
    if (const auto it = MacroMarks().find(name); it != MacroMarks().end()) {
      Mark(it->second);
    } else if (const auto same = MacroSynonyms().find(name); same != MacroSynonyms().end()) {
      Push(TokenKind::kMacro, same->second);
    } else {
      Push(TokenKind::kMacro, name);
    }
    return absl::OkStatus();
  }

  // \left and \right tell an opening bar from a closing one; a dot after them is nothing.
  absl::Status Sized(bool left) {
    while (IsBlank(Peek())) ++at_;
    if (Peek() == '.') {
      ++at_;
    } else if (Peek() == '|') {
      ++at_;
      Mark(left ? "(|" : "|)");
    }
    return absl::OkStatus();
  }

  // What the next braces hold; the next character where there are none.
  absl::StatusOr<std::string_view> ReadBraces() {
    while (IsBlank(Peek()) || Peek() == '*') ++at_;
    if (Peek() != '{') {
      const std::string_view one = text_.substr(at_, 1);
      at_ += one.size();
      return one;
    }
    int open = 0;
    for (size_t i = at_; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == '{') {
        ++open;
      } else if (text_[i] == '}' && --open == 0) {
        const std::string_view inside = text_.substr(at_ + 1, i - at_ - 1);
        at_ = i + 1;
        return inside;
      }
    }
    return absl::InvalidArgumentError("a { that never closes");
  }

  absl::Status Environment(std::string_view which) {
    auto name = ReadBraces();
    if (!name.ok()) return name.status();
    const bool begins = which == "begin";
    if (begins && (*name == "array" || *name == "tabular")) {
      if (auto columns = ReadBraces(); !columns.ok()) return columns.status();
    }
    depth_ = std::max(0, depth_ + (begins ? 1 : -1));
    Push(TokenKind::kMacro, which);
    Push(TokenKind::kText, *name);
    return absl::OkStatus();
  }

  absl::Status Blackboard() {
    auto letter = ReadBraces();
    if (!letter.ok()) return letter.status();
    Push(TokenKind::kMacro, *letter);
    return absl::OkStatus();
  }

  // "and" and "or" join; letters that stand for symbols are tokens like any other; the rest is
  // text.
  absl::Status Words(bool wording) {
    auto inside = ReadBraces();
    if (!inside.ok()) return inside.status();
    std::string_view words = Trimmed(*inside);
    while (words.starts_with('~')) words = Trimmed(words.substr(1));  // \mathrm{~cm}
    if (words.empty()) {
      space_ = true;
      return absl::OkStatus();
    }
    const std::string lower = Lower(words);
    std::string_view bare = lower;
    Consume(bare, ",");
    if (bare.ends_with(",")) bare.remove_suffix(1);
    bare = Trimmed(bare);
    if (bare == "and" || bare == "or" || bare == "&") {
      Mark(bare == "or" ? "or" : "and");
      return absl::OkStatus();
    }
    if (bare == "in" || bare == "mod") {
      Push(TokenKind::kWord, bare);
      return absl::OkStatus();
    }
    const bool letters = std::all_of(words.begin(), words.end(), IsLetter);
    const bool formula = !wording && words.find('\\') != std::string_view::npos;
    const bool number =
        IsDigit(words[0]) || ((words[0] == '-' || words[0] == '+' || words[0] == '.') &&
                              words.size() > 1 && IsDigit(words[1]));
    if (formula || number) {
      if (nested_ == 16) return absl::InvalidArgumentError("\\text nested too deep");
      ++nested_;
      absl::Status status = Inline(words);
      --nested_;
      return status;
    }
    Push(letters && !wording ? TokenKind::kWord : TokenKind::kText, words);
    return absl::OkStatus();
  }

  absl::Status Inline(std::string_view words) {
    const std::string_view outer = std::exchange(text_, words);
    const size_t place = std::exchange(at_, 0);
    while (at_ < text_.size()) {
      if (absl::Status status = Next(); !status.ok()) return status;
      if (tokens_.size() > kTokensMax) break;
    }
    text_ = outer;
    at_ = place;
    return absl::OkStatus();
  }

  std::string_view text_;
  const NumberStyle style_;
  size_t at_ = 0;
  int depth_ = 0;   // of brackets, where a comma separates
  int nested_ = 0;  // texts within texts
  bool space_ = false;
  std::vector<Token> tokens_;
};

}  // namespace

namespace {

// Full-width digits as digits.
std::string WithPlainDigits(std::string_view text) {
  constexpr std::string_view kLead = "\xEF\xBC";  // and 0x90 to 0x99
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char last = i + 2 < text.size() ? static_cast<unsigned char>(text[i + 2]) : 0;
    if (text.substr(i).starts_with(kLead) && last >= 0x90 && last <= 0x99) {
      plain += static_cast<char>('0' + (last - 0x90));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenise(std::string_view text, const NumberStyle& style) {
  if (Contains(text, "\xEF\xBC")) return Scanner(WithPlainDigits(text), style).Run();
  return Scanner(text, style).Run();
}

}  // namespace temper::reward::math
