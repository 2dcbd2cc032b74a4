// Digits by charconv; what Python ignores around and inside them is taken off first.
#include "policy/model/chat/jinja/numbers.h"

#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "policy/model/chat/jinja/unicode.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

// Without what Python ignores around and inside the digits; empty when underscores stand wrong.
std::string BareNumber(std::string_view text) {
  size_t begin = 0, end = text.size();
  while (begin < end && IsSpace(static_cast<unsigned char>(text[begin]))) ++begin;
  while (end > begin && IsSpace(static_cast<unsigned char>(text[end - 1]))) --end;
  std::string bare;
  for (size_t i = begin; i < end; ++i) {
    if (text[i] != '_') {
      bare += text[i];
      continue;
    }
    const bool between = i > begin && i + 1 < end && absl::ascii_isalnum(text[i - 1]) &&
                         absl::ascii_isalnum(text[i + 1]);
    if (!between) return "";
  }
  return bare;
}

}  // namespace

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char digits[32];
  const auto shortest =
      std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::scientific);
  const std::string_view text(digits, shortest.ptr - digits);
  const size_t e = text.find('e');
  int exponent = 0;
  const char* from = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(from, shortest.ptr, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);
  char plain[64];
  const auto fixed = std::to_chars(plain, plain + sizeof(plain), value, std::chars_format::fixed);
  std::string result(plain, fixed.ptr);
  if (result.find('.') == std::string::npos) result += ".0";
  return result;
}

absl::StatusOr<std::optional<int64_t>> ParseInteger(std::string_view text, int base) {
  std::string digits = BareNumber(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  constexpr std::pair<int, char> kPrefixes[] = {{2, 'b'}, {8, 'o'}, {16, 'x'}};
  for (const auto& [radix, letter] : kPrefixes) {
    const bool prefixed =
        digits.size() > 2 && digits[0] == '0' && absl::ascii_tolower(digits[1]) == letter;
    if (!prefixed || (base != radix && base != 0)) continue;
    digits.erase(0, 2);
    base = radix;
    break;
  }
  if (base == 0) base = 10;
  if (digits.empty() || !absl::ascii_isalnum(digits[0]) || base < 2 || base > 36) {
    return std::optional<int64_t>();
  }
  if (negative) digits.insert(0, "-");
  int64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, number, base);
  if (stopped != end) return std::optional<int64_t>();
  if (error == std::errc::result_out_of_range) {
    return absl::InvalidArgumentError(Words("integer ", digits, " is beyond 64 bits"));
  }
  return std::optional<int64_t>(number);
}

std::optional<int64_t> ParseIndex(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  int64_t index = 0;
  for (const char c : text) {
    if (!absl::ascii_isdigit(c)) return std::nullopt;
    index = 10 * index + (c - '0');
  }
  return index;
}

std::optional<double> ParseReal(std::string_view text) {
  std::string digits = BareNumber(text);
  absl::AsciiStrToLower(&digits);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  if (digits.find_first_of("x(") != std::string::npos) return std::nullopt;
  double number = 0.0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, number);
  if (stopped != end) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too large is infinite, too small is zero; the exponent's sign tells.
    const size_t e = digits.find('e');
    number = e != std::string::npos && digits[e + 1] == '-' ? 0.0 : HUGE_VAL;
  }
  return negative ? -number : number;
}

}  // namespace temper::model::jinja
