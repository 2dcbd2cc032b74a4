// Line by line, then number by number.
#include "reward/code/output_match.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace temper::reward {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

std::string_view Stripped(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// Takes the next line off `text`; false when there is none.
bool NextLine(std::string_view& text, bool& more, std::string_view* line) {
  if (!more) return false;
  const size_t end = text.find('\n');
  *line = Stripped(text.substr(0, end));
  more = end != text.npos;
  text.remove_prefix(more ? end + 1 : text.size());
  return true;
}

std::string_view NextToken(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view token = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(token.size());
  return token;
}

struct Decimal {
  bool negative = false;
  std::string digits;    // without zeros at either end; empty: 0
  int64_t exponent = 0;  // of the last digit
  bool operator==(const Decimal&) const = default;
};

std::string_view TakeDigits(std::string_view& text) {
  const size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

std::optional<Decimal> ReadDecimal(std::string_view text) {
  Decimal decimal;
  if (text.starts_with('-') || text.starts_with('+')) {
    decimal.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  decimal.digits = TakeDigits(text);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const std::string_view fraction = TakeDigits(text);
    decimal.digits += fraction;
    decimal.exponent = -static_cast<int64_t>(fraction.size());
  }
  if (decimal.digits.empty()) return std::nullopt;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+')) text.remove_prefix(1);
    int64_t power = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), power);
    if (error != std::errc() || std::abs(power) > 1'000'000'000) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    decimal.exponent += power;
  }
  if (!text.empty()) return std::nullopt;
  const size_t last = decimal.digits.find_last_not_of('0');
  if (last == std::string::npos) return Decimal{};
  decimal.exponent += static_cast<int64_t>(decimal.digits.size() - 1 - last);
  decimal.digits.resize(last + 1);
  decimal.digits.erase(0, decimal.digits.find_first_not_of('0'));
  return decimal;
}

bool SameNumbers(std::string_view a, std::string_view b) {
  while (true) {
    const std::string_view a_token = NextToken(a);
    const std::string_view b_token = NextToken(b);
    if (a_token.empty() || b_token.empty()) return a_token.empty() && b_token.empty();
    const std::optional<Decimal> a_number = ReadDecimal(a_token);
    if (!a_number.has_value() || a_number != ReadDecimal(b_token)) return false;
  }
}

}  // namespace

bool SameOutput(std::string_view expected, std::string_view found) {
  expected = Stripped(expected);
  found = Stripped(found);
  bool expected_more = true, found_more = true;
  std::string_view expected_line, found_line;
  while (true) {
    const bool one = NextLine(expected, expected_more, &expected_line);
    const bool other = NextLine(found, found_more, &found_line);
    if (!one || !other) return one == other;
    if (expected_line != found_line && !SameNumbers(expected_line, found_line)) return false;
  }
}

}  // namespace temper::reward
