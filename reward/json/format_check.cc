// Small readers that eat a text from the front.
#include "reward/json/format_check.h"

#include <arpa/inet.h>

#include <string>

#include "absl/strings/ascii.h"

namespace temper::reward {
namespace {

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }
bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

// Exactly `digits` digits from the front, as a number between the bounds.
bool ConsumeNumber(std::string_view& text, size_t digits, int first, int last, int& value) {
  if (text.size() < digits) return false;
  value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!IsDigit(text[i])) return false;
    value = 10 * value + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value >= first && value <= last;
}

bool ConsumeChar(std::string_view& text, std::string_view one_of) {
  if (text.empty() || one_of.find(text.front()) == one_of.npos) return false;
  text.remove_prefix(1);
  return true;
}

bool ConsumeDate(std::string_view& text) {
  int year = 0, month = 0, day = 0;
  if (!ConsumeNumber(text, 4, 0, 9999, year) || !ConsumeChar(text, "-") ||
      !ConsumeNumber(text, 2, 1, 12, month) || !ConsumeChar(text, "-") ||
      !ConsumeNumber(text, 2, 1, 31, day)) {
    return false;
  }
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool ConsumeTime(std::string_view& text) {
  int hour = 0, minute = 0, second = 0;
  if (!ConsumeNumber(text, 2, 0, 23, hour) || !ConsumeChar(text, ":") ||
      !ConsumeNumber(text, 2, 0, 59, minute) || !ConsumeChar(text, ":") ||
      !ConsumeNumber(text, 2, 0, 60, second)) {
    return false;
  }
  if (ConsumeChar(text, ".")) {
    if (text.empty() || !IsDigit(text.front())) return false;
    while (!text.empty() && IsDigit(text.front())) text.remove_prefix(1);
  }
  if (ConsumeChar(text, "Zz")) return true;
  return ConsumeChar(text, "+-") && ConsumeNumber(text, 2, 0, 23, hour) && ConsumeChar(text, ":") &&
         ConsumeNumber(text, 2, 0, 59, minute);
}

bool IsHostname(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    const size_t end = std::min(text.find('.'), text.size());
    const std::string_view label = text.substr(0, end);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
      return false;
    }
    for (const char c : label) {
      if (!IsAlnum(c) && c != '-') return false;
    }
    if (end == text.size()) return true;
    text.remove_prefix(end + 1);
  }
}

bool IsEmail(std::string_view text) {
  const size_t at = text.rfind('@');
  if (at == 0 || at == text.npos || at > 64) return false;
  const std::string_view local = text.substr(0, at);
  if (local.front() == '.' || local.back() == '.' || local.find("..") != local.npos) return false;
  for (const char c : local) {
    if (!IsAlnum(c) && std::string_view(".!#$%&'*+-/=?^_`{|}~").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return IsHostname(text.substr(at + 1));
}

bool IsAddress(int family, std::string_view text) {
  unsigned char bytes[16];
  const std::string terminated(text);
  return text.size() <= 45 && text.find('\0') == text.npos &&
         inet_pton(family, terminated.c_str(), bytes) == 1;
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !absl::ascii_isxdigit(static_cast<unsigned char>(text[i]))) {
      return false;
    }
  }
  return true;
}

// A scheme, and only characters that a URI may hold.
bool IsUri(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == 0 || colon == text.npos) return false;
  if (!absl::ascii_isalpha(static_cast<unsigned char>(text.front()))) return false;
  for (const char c : text.substr(0, colon)) {
    if (!IsAlnum(c) && c != '+' && c != '-' && c != '.') return false;
  }
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7F ||
        std::string_view("\"<>\\^`{|}").find(c) != std::string_view::npos) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<bool> FitsFormat(std::string_view format, std::string_view text) {
  if (format == "date") return ConsumeDate(text) && text.empty();
  if (format == "time") return ConsumeTime(text) && text.empty();
  if (format == "date-time") {
    return ConsumeDate(text) && ConsumeChar(text, "Tt ") && ConsumeTime(text) && text.empty();
  }
  if (format == "email") return IsEmail(text);
  if (format == "hostname") return IsHostname(text);
  if (format == "ipv4") return IsAddress(AF_INET, text);
  if (format == "ipv6") return IsAddress(AF_INET6, text);
  if (format == "uuid") return IsUuid(text);
  if (format == "uri") return IsUri(text);
  return std::nullopt;
}

}  // namespace temper::reward
