// A hand-written reader of numbers; GMP does the arithmetic and never sees anything but digits.
#include "reward/exact_number.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace temper::reward {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool Consume(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool ConsumeEnd(std::string_view& text, std::string_view suffix) {
  if (text.size() < suffix.size() || text.substr(text.size() - suffix.size()) != suffix)
    return false;
  text.remove_suffix(suffix.size());
  return true;
}

void TrimEnd(std::string& text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
}

// Takes the sign off: -1, or 1 where there is none or a plus.
int ConsumeSign(std::string_view& text) {
  const bool minus = Consume(text, "-");
  if (!minus) Consume(text, "+");
  while (Consume(text, " ")) {
  }
  return minus ? -1 : 1;
}

std::string ConsumeDigits(std::string_view& text) {
  size_t n = 0;
  while (n < text.size() && IsDigit(text[n])) ++n;
  std::string digits(text.substr(0, n));
  text.remove_prefix(n);
  return digits;
}

// Digits, or digits in thousands: 1 to 3 of them, then groups of exactly three after commas.
std::optional<std::string> ConsumeInteger(std::string_view& text) {
  std::string digits = ConsumeDigits(text);
  if (text.empty() || text[0] != ',') return digits;
  if (digits.empty() || digits.size() > 3) return std::nullopt;
  while (Consume(text, ",")) {
    const std::string group = ConsumeDigits(text);
    if (group.size() != 3) return std::nullopt;
    digits += group;
  }
  return digits;
}

mpz_class TenTo(unsigned long exponent) {
  mpz_class power;
  mpz_ui_pow_ui(power.get_mpz_t(), 10, exponent);
  return power;
}

// Up to four digits after e or E, within kExponentMax; 0 where there is no exponent.
std::optional<long> ConsumeExponent(std::string_view& text) {
  if (!Consume(text, "e") && !Consume(text, "E")) return 0;
  const bool minus = Consume(text, "-");
  if (!minus) Consume(text, "+");
  const std::string digits = ConsumeDigits(text);
  if (digits.empty() || digits.size() > 5) return std::nullopt;
  const long exponent = std::stol(digits);
  if (exponent > kExponentMax) return std::nullopt;
  return minus ? -exponent : exponent;
}

// An unsigned decimal that fills the text.
std::optional<mpq_class> ParseDecimal(std::string_view text) {
  const std::optional<std::string> whole = ConsumeInteger(text);
  if (!whole.has_value()) return std::nullopt;
  std::string digits = *whole;
  long exponent = 0;
  if (Consume(text, ".")) {
    const std::string places = ConsumeDigits(text);
    digits += places;
    exponent -= static_cast<long>(places.size());
  }
  if (digits.empty()) return std::nullopt;
  const std::optional<long> written = ConsumeExponent(text);
  if (!written.has_value() || !text.empty()) return std::nullopt;
  exponent += *written;
  mpq_class value(mpz_class(digits, 10));
  if (exponent > 0) value *= TenTo(exponent);
  if (exponent < 0) value /= TenTo(-exponent);
  return value;
}

// A signed integer that fills the text, as a numerator or denominator.
std::optional<mpz_class> ParseInteger(std::string_view text) {
  const int sign = ConsumeSign(text);
  const std::optional<std::string> digits = ConsumeInteger(text);
  if (!digits.has_value() || digits->empty() || !text.empty()) return std::nullopt;
  return sign * mpz_class(*digits, 10);
}

std::string_view Trimmed(std::string_view text) {
  while (Consume(text, " ")) {
  }
  while (ConsumeEnd(text, " ")) {
  }
  return text;
}

std::optional<mpq_class> Fraction(std::string_view above, std::string_view below) {
  const std::optional<mpz_class> numerator = ParseInteger(Trimmed(above));
  const std::optional<mpz_class> denominator = ParseInteger(Trimmed(below));
  if (!numerator.has_value() || !denominator.has_value() || *denominator == 0) return std::nullopt;
  mpq_class value(*numerator, *denominator);
  value.canonicalize();
  return value;
}

// "\frac{a}{b}" and its relatives, as the whole text.
std::optional<mpq_class> ParseLatexFraction(std::string_view text) {
  if (!Consume(text, "{") || !ConsumeEnd(text, "}")) return std::nullopt;
  const size_t close = text.find('}');
  if (close == std::string_view::npos) return std::nullopt;
  const std::string_view above = text.substr(0, close);
  std::string_view below = Trimmed(text.substr(close + 1));
  if (!Consume(below, "{")) return std::nullopt;
  return Fraction(above, below);
}

std::optional<mpq_class> ParseUnsigned(std::string_view text) {
  if (Consume(text, "\\frac") || Consume(text, "\\dfrac") || Consume(text, "\\tfrac")) {
    return ParseLatexFraction(Trimmed(text));
  }
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return ParseDecimal(text);
  if (!IsDigit(text[0])) return std::nullopt;  // the sign has been read
  return Fraction(text.substr(0, slash), text.substr(slash + 1));
}

// Takes one \text{...} or \(...\) off that encloses everything.
bool Unwrap(std::string_view& text) {
  std::string_view inner = text;
  if (Consume(inner, "\\(") && ConsumeEnd(inner, "\\)")) {
    text = Trimmed(inner);
    return true;
  }
  inner = text;
  if (Consume(inner, "\\text{") && ConsumeEnd(inner, "}") &&
      inner.find_first_of("{}") == std::string_view::npos) {
    text = Trimmed(inner);
    return true;
  }
  return false;
}

}  // namespace

std::string NormaliseAnswer(std::string_view answer) {
  std::string text;
  text.reserve(std::min<size_t>(answer.size(), kNumberBytesMax));
  while (!answer.empty()) {
    if (Consume(answer, "\\$") || Consume(answer, "$") || Consume(answer, "\\!") ||
        Consume(answer, "\\,")) {
      continue;
    }
    if (Consume(answer, "{,}")) {
      text += ',';
    } else if (Consume(answer, "\xE2\x88\x92")) {
      text += '-';
    } else if (Consume(answer, "\\%")) {
      text += '%';
    } else if (Consume(answer, "\\ ") ||
               absl::ascii_isspace(static_cast<unsigned char>(answer.front()))) {
      if (absl::ascii_isspace(static_cast<unsigned char>(answer.front()))) answer.remove_prefix(1);
      if (!text.empty() && text.back() != ' ') text += ' ';
    } else {
      text += answer.front();
      answer.remove_prefix(1);
    }
  }
  TrimEnd(text);
  if (text.size() > 1 && text.back() == '.') text.pop_back();
  TrimEnd(text);
  std::string_view view = text;
  while (Unwrap(view)) {
  }
  return std::string(view);
}

std::optional<ExactNumber> ParseNumber(std::string_view text) {
  if (text.empty() || text.size() > kNumberBytesMax) return std::nullopt;
  ExactNumber number;
  number.percent = ConsumeEnd(text, "%");
  text = Trimmed(text);
  const int sign = ConsumeSign(text);
  const std::optional<mpq_class> value = ParseUnsigned(text);
  if (!value.has_value()) return std::nullopt;
  number.value = sign * *value;
  return number;
}

}  // namespace temper::reward
