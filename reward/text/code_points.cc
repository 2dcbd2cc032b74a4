// Classes of characters are those of utf8proc's Unicode tables.
#include "reward/text/code_points.h"

#include <utf8proc.h>

#include "base/utf8.h"

namespace temper::reward {

const std::u32string_view kPunctuation = U"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
const std::u32string_view kPunctuationAndBlank = U" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

namespace {

utf8proc_category_t Category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool InSet(char32_t c, std::u32string_view set) { return set.find(c) != std::u32string_view::npos; }

// Longest runs of characters of a class.
std::vector<std::u32string_view> RunsOf(std::u32string_view text, bool (*is)(char32_t)) {
  std::vector<std::u32string_view> runs;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && is(text[end])) ++end;
    if (end > at) runs.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return runs;
}

// The code point of the valid character at the front of `text`, `size` bytes long.
char32_t CodePointAt(std::string_view text, size_t size) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<uint8_t>(text[i])); };
  switch (size) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
             (byte(3) & 0x3F);
  }
}

}  // namespace

std::u32string Decoded(std::string_view text) {
  const std::string valid = ValidUtf8(text);
  std::u32string points;
  points.reserve(valid.size());
  for (std::string_view rest = valid; !rest.empty();) {
    const size_t size = FirstCharacterBytes(rest);
    points += CodePointAt(rest, size);
    rest.remove_prefix(size);
  }
  return points;
}

std::string Encoded(std::u32string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t c : text) {
    utf8proc_uint8_t character[4];
    const utf8proc_ssize_t size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), character);
    bytes.append(reinterpret_cast<const char*>(character), static_cast<size_t>(size));
  }
  return bytes;
}

bool IsSpace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsAlphabetic(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const utf8proc_category_t category = Category(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool IsNumeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const utf8proc_category_t category = Category(c);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool IsDigit(char32_t c) {
  return c < 0x80 ? c >= '0' && c <= '9' : Category(c) == UTF8PROC_CATEGORY_ND;
}

bool IsWordChar(char32_t c) { return c == '_' || IsAlphabetic(c) || IsNumeric(c); }

bool IsUpper(char32_t c) {
  return c < 0x80 ? c >= 'A' && c <= 'Z' : utf8proc_isupper(static_cast<utf8proc_int32_t>(c)) != 0;
}

bool IsLower(char32_t c) {
  return c < 0x80 ? c >= 'a' && c <= 'z' : utf8proc_islower(static_cast<utf8proc_int32_t>(c)) != 0;
}

bool IsPunctuation(char32_t c) { return c < 0x80 && InSet(c, kPunctuation); }

char32_t ToLower(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

bool IsUpperText(std::u32string_view text) {
  bool cased = false;
  for (const char32_t c : text) {
    if (IsLower(c) || Category(c) == UTF8PROC_CATEGORY_LT) return false;
    cased = cased || IsUpper(c);
  }
  return cased;
}

bool IsLowerText(std::u32string_view text) {
  bool cased = false;
  for (const char32_t c : text) {
    if (IsUpper(c) || Category(c) == UTF8PROC_CATEGORY_LT) return false;
    cased = cased || IsLower(c);
  }
  return cased;
}

std::u32string Lowered(std::u32string_view text) {
  std::u32string lowered(text);
  for (char32_t& c : lowered) c = ToLower(c);
  return lowered;
}

std::u32string WithoutPunctuation(std::u32string_view text) {
  std::u32string kept;
  kept.reserve(text.size());
  for (const char32_t c : text) {
    if (!IsPunctuation(c)) kept += c;
  }
  return kept;
}

std::u32string_view Stripped(std::u32string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

std::u32string_view LeftStrippedOf(std::u32string_view text, std::u32string_view set) {
  while (!text.empty() && InSet(text.front(), set)) text.remove_prefix(1);
  return text;
}

std::u32string_view RightStrippedOf(std::u32string_view text, std::u32string_view set) {
  while (!text.empty() && InSet(text.back(), set)) text.remove_suffix(1);
  return text;
}

std::u32string_view StrippedOf(std::u32string_view text, std::u32string_view set) {
  return RightStrippedOf(LeftStrippedOf(text, set), set);
}

std::vector<std::u32string_view> SplitAtBlanks(std::u32string_view text) {
  std::vector<std::u32string_view> pieces;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && !IsSpace(text[end])) ++end;
    if (end > at) pieces.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return pieces;
}

std::vector<std::u32string_view> SplitAt(std::u32string_view text, std::u32string_view separator) {
  std::vector<std::u32string_view> pieces;
  while (true) {
    const size_t at = text.find(separator);
    pieces.push_back(text.substr(0, at));
    if (at == std::u32string_view::npos) return pieces;
    text.remove_prefix(at + separator.size());
  }
}

std::vector<std::u32string_view> WordRuns(std::u32string_view text) {
  return RunsOf(text, IsWordChar);
}

std::vector<std::u32string_view> DigitRuns(std::u32string_view text) {
  return RunsOf(text, IsDigit);
}

std::vector<std::u32string> PlainWords(std::u32string_view text) {
  const std::u32string plain = Lowered(WithoutPunctuation(text));
  const std::vector<std::u32string_view> words = SplitAtBlanks(plain);
  return {words.begin(), words.end()};
}

std::u32string Replaced(std::u32string_view text, std::u32string_view what,
                        std::u32string_view with) {
  std::u32string replaced;
  bool first = true;
  for (const std::u32string_view piece : SplitAt(text, what)) {
    if (!first) replaced += with;
    first = false;
    replaced += piece;
  }
  return replaced;
}

std::u32string AsciiForm(std::u32string_view text) {
  std::u32string ascii;
  for (const char32_t c : text) {
    constexpr int kLongest = 32;
    utf8proc_int32_t parts[kLongest];
    int boundary = 0;
    const utf8proc_ssize_t size = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(c), parts, kLongest,
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_STABLE),
        &boundary);
    for (utf8proc_ssize_t i = 0; i < size && i < kLongest; ++i) {
      if (parts[i] >= 0 && parts[i] < 0x80) ascii += static_cast<char32_t>(parts[i]);
    }
  }
  return ascii;
}

}  // namespace temper::reward
