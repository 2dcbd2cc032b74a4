// Classes through PCRE2, which knows the same Unicode; cases through the tables.
#include "policy/model/chat/jinja/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/check.h"
#include "policy/model/chat/jinja/unicode_case.h"

namespace temper::model::jinja {
namespace {

constexpr char32_t kCapitalSigma = 0x3a3, kSigma = 0x3c3, kFinalSigma = 0x3c2;
constexpr char32_t kCapitalDottedI = 0x130;

bool IsAscii(char32_t code) { return code < 0x80; }
bool IsAsciiUpper(char32_t code) { return code >= 'A' && code <= 'Z'; }
bool IsAsciiLower(char32_t code) { return code >= 'a' && code <= 'z'; }

// A set of characters given as a pattern; kept for the life of the program.
class CharacterClass {
 public:
  explicit CharacterClass(const char* pattern) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED,
                          PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, nullptr);
    TEMPER_CHECK(code_ != nullptr);
  }
  bool Holds(char32_t code) const {
    std::string text;
    AppendUtf8(code, text);
    thread_local const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
        pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
    TEMPER_CHECK(match != nullptr);
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                       match.get(), nullptr) >= 0;
  }

 private:
  pcre2_code* code_;
};

std::optional<int32_t> ShiftOf(std::span<const CaseRange> ranges, char32_t code) {
  const auto after = std::ranges::upper_bound(ranges, code, {}, &CaseRange::first);
  if (after == ranges.begin()) return std::nullopt;
  const CaseRange& range = *(after - 1);
  if (code <= range.last && (code - range.first) % range.step == 0) return range.shift;
  return std::nullopt;
}

char32_t LowerOf(char32_t code) {
  if (IsAscii(code)) return IsAsciiUpper(code) ? code + 32 : code;
  return code + ShiftOf(LowerRanges(), code).value_or(0);
}

void AppendUpper(char32_t code, std::string& text) {
  if (IsAscii(code)) {
    text += static_cast<char>(IsAsciiLower(code) ? code - 32 : code);
    return;
  }
  const auto lengthy = std::ranges::lower_bound(LongUppers(), code, {}, &LongUpper::code);
  if (lengthy != LongUppers().end() && lengthy->code == code) {
    for (const char32_t upper : lengthy->upper) {
      if (upper != 0) AppendUtf8(upper, text);
    }
    return;
  }
  AppendUtf8(code + ShiftOf(UpperRanges(), code).value_or(0), text);
}

bool IsCased(char32_t code) { return HasLowerCase(code) || HasUpperCase(code); }

// Sigma has a form of its own at the end of a word.
char32_t LowerSigma(std::string_view text, size_t at, char32_t before) {
  const size_t next = at + 2;
  const bool word_goes_on = next < text.size() && IsCased(CharacterAt(text, next).code);
  return IsCased(before) && !word_goes_on ? kFinalSigma : kSigma;
}

void AppendLower(std::string_view text, size_t from, std::string& lower) {
  char32_t before = 0;
  for (size_t at = from; at < text.size();) {
    const Character c = CharacterAt(text, at);
    if (c.code == kCapitalSigma) {
      AppendUtf8(LowerSigma(text, at, before), lower);
    } else if (c.code == kCapitalDottedI) {
      lower += "i\xcc\x87";
    } else {
      AppendUtf8(LowerOf(c.code), lower);
    }
    before = c.code;
    at += c.bytes;
  }
}

// Where one character stands for two, only the first is large; and some scripts have no title case.
std::string TitleOf(char32_t code) {
  constexpr char32_t kDigraphs[] = {0x1c5, 0x1c8, 0x1cb, 0x1f2};
  std::string title;
  for (const char32_t digraph : kDigraphs) {
    if (code + 1 < digraph || code > digraph + 1) continue;
    AppendUtf8(digraph, title);
    return title;
  }
  if (code >= 0x10d0 && code <= 0x10ff) {
    AppendUtf8(code, title);
    return title;
  }
  AppendUpper(code, title);
  const size_t large = CharacterAt(title, 0).bytes;
  std::string result = title.substr(0, large);
  AppendLower(title, large, result);
  return result;
}

}  // namespace

Character CharacterAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xe0) return {static_cast<char32_t>((lead & 0x1f) << 6 | (byte(1) & 0x3f)), 2};
  if (lead < 0xf0) {
    return {static_cast<char32_t>((lead & 0xf) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f)),
            3};
  }
  return {static_cast<char32_t>((lead & 7) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 |
                                (byte(3) & 0x3f)),
          4};
}

bool IsValidUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const size_t length = lead < 0x80       ? 1
                          : lead >> 5 == 6  ? 2
                          : lead >> 4 == 14 ? 3
                          : lead >> 3 == 30 ? 4
                                            : 0;
    if (length == 0 || at + length > text.size()) return false;
    for (size_t i = 1; i < length; ++i) {
      if ((static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80) return false;
    }
    const char32_t code = CharacterAt(text, at).code;
    constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < kLeast[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      return false;
    }
    at += length;
  }
  return true;
}

void AppendUtf8(char32_t code, std::string& text) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    text += static_cast<char>(0xe0 | code >> 12);
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xf0 | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

size_t CountCharacters(std::string_view text) {
  return std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

size_t OffsetOf(std::string_view text, size_t index) {
  size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at += CharacterAt(text, at).bytes;
  return at;
}

bool IsSpace(char32_t code) {
  return (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x20) || code == 0x85 ||
         code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
         code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

bool IsAlpha(char32_t code) {
  if (IsAscii(code)) return IsAsciiUpper(code) || IsAsciiLower(code);
  static const CharacterClass& letters = *new CharacterClass("\\p{L}");
  return letters.Holds(code);
}

bool IsDecimal(char32_t code) {
  if (IsAscii(code)) return code >= '0' && code <= '9';
  static const CharacterClass& digits = *new CharacterClass("\\p{Nd}");
  return digits.Holds(code);
}

bool IsNumeric(char32_t code) {
  if (IsAscii(code)) return code >= '0' && code <= '9';
  static const CharacterClass& numbers = *new CharacterClass("\\p{N}");
  return numbers.Holds(code);
}

bool IsPrintable(char32_t code) {
  if (IsAscii(code)) return code >= 0x20 && code < 0x7f;
  static const CharacterClass& hidden = *new CharacterClass("[\\p{C}\\p{Z}]");
  return !hidden.Holds(code);
}

bool HasLowerCase(char32_t code) { return code == kCapitalDottedI || LowerOf(code) != code; }

bool HasUpperCase(char32_t code) {
  std::string self, upper;
  AppendUtf8(code, self);
  AppendUpper(code, upper);
  return upper != self;
}

std::string Lower(std::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  AppendLower(text, 0, lower);
  return lower;
}

std::string Upper(std::string_view text) {
  std::string upper;
  upper.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text, at);
    AppendUpper(c.code, upper);
    at += c.bytes;
  }
  return upper;
}

std::string Capitalized(std::string_view text) {
  if (text.empty()) return "";
  const Character first = CharacterAt(text, 0);
  std::string result = TitleOf(first.code);
  AppendLower(text, first.bytes, result);
  return result;
}

}  // namespace temper::model::jinja
