// Arithmetic with Python's results; 64-bit integers, and an error instead of an overflow.
#include <algorithm>
#include <cmath>

#include "base/status_macros.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/format.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

absl::Status Overflow(std::string_view sign, int64_t a, int64_t b) {
  return absl::OutOfRangeError(
      Words(a, " ", sign, " ", b, ": the result is beyond 64-bit integers"));
}

absl::Status DivisionByZero() { return absl::InvalidArgumentError("division by zero"); }

int64_t FloorDivide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

double FloorModulo(double a, double b) {
  double rest = std::fmod(a, b);
  if (rest == 0.0) return std::copysign(0.0, b);
  if ((rest < 0) != (b < 0)) rest += b;
  return rest;
}

double FloorQuotient(double a, double b) {
  const double quotient = (a - FloorModulo(a, b)) / b;
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1.0 : floor;
}

absl::StatusOr<Value> Power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return DivisionByZero();
    return Value::Float(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1, square = base;
  for (int64_t left = exponent; left > 0; left >>= 1) {
    if ((left & 1) && __builtin_mul_overflow(result, square, &result)) {
      return Overflow("**", base, exponent);
    }
    if (left > 1 && __builtin_mul_overflow(square, square, &square)) {
      return Overflow("**", base, exponent);
    }
  }
  return Value::Int(result);
}

absl::StatusOr<Value> Integers(std::string_view sign, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if (sign == "**") return Power(a, b);
  if (sign == "/") {
    if (b == 0) return DivisionByZero();
    return Value::Float(static_cast<double>(a) / static_cast<double>(b));
  }
  if (sign == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (sign == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (sign == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else {
    if (b == 0) return DivisionByZero();
    overflow = a == INT64_MIN && b == -1;
    if (!overflow) result = sign == "//" ? FloorDivide(a, b) : a - b * FloorDivide(a, b);
    if (overflow && sign == "%") return Value::Int(0);
  }
  if (overflow) return Overflow(sign, a, b);
  return Value::Int(result);
}

absl::StatusOr<Value> Reals(std::string_view sign, double a, double b) {
  if (sign == "+") return Value::Float(a + b);
  if (sign == "-") return Value::Float(a - b);
  if (sign == "*") return Value::Float(a * b);
  if (sign == "**") {
    const double power = std::pow(a, b);
    if (a == 0.0 && b < 0) return DivisionByZero();
    if (std::isfinite(a) && std::isfinite(b) && !std::isfinite(power)) {
      return absl::OutOfRangeError(Words(a, " ** ", b, " is not a finite number"));
    }
    return Value::Float(power);
  }
  if (b == 0.0) return DivisionByZero();
  if (sign == "/") return Value::Float(a / b);
  return Value::Float(sign == "//" ? FloorQuotient(a, b) : FloorModulo(a, b));
}

absl::StatusOr<Value> Repeat(Meter& meter, const Sequence& sequence, int64_t count) {
  const int64_t size = sequence.items.size();
  if (count <= 0 || size == 0) return MakeSequence(meter, {}, sequence.kind);
  if (count > static_cast<int64_t>(meter.limits().items) / size) {
    return absl::ResourceExhaustedError(Words("a list of ", size, " items, ", count,
                                              " times: expected at most ", meter.limits().items,
                                              " items"));
  }
  TEMPER_RETURN_IF_ERROR(meter.Items(count * size));
  std::vector<Value> items;
  for (int64_t i = 0; i < count; ++i) {
    items.insert(items.end(), sequence.items.begin(), sequence.items.end());
  }
  return MakeSequence(meter, std::move(items), sequence.kind);
}

bool IsListOrTuple(const Sequence* sequence) {
  return sequence != nullptr && sequence->kind <= Sequence::Kind::kTuple;
}

}  // namespace

absl::StatusOr<Value> RepeatText(Meter& meter, const Text& text, int64_t count) {
  if (count <= 0 || text.empty()) return Value::String("");
  if (count > static_cast<int64_t>(meter.limits().text_bytes / text.size())) {
    return absl::ResourceExhaustedError(Words("a string of ", text.size(), " bytes, ", count,
                                              " times: expected at most ",
                                              meter.limits().text_bytes, " bytes"));
  }
  TEMPER_RETURN_IF_ERROR(meter.Text(text.size() * count, text.input().size() * count));
  const size_t bytes = text.size() * count;
  Text repeated = text;
  while (repeated.size() < bytes) {
    repeated.Append(repeated.Slice(0, std::min(repeated.size(), bytes - repeated.size())));
  }
  return Value::String(std::move(repeated));
}

absl::StatusOr<Value> Calculate(Meter& meter, std::string_view sign, const Value& a,
                                const Value& b) {
  if (a.text() != nullptr && sign == "%") return FormatPercent(meter, *a.text(), b);
  if (a.is_undefined()) return a.WhyUndefined();
  if (b.is_undefined()) return b.WhyUndefined();
  int64_t i = 0, j = 0;
  const bool a_whole = AsInteger(a, i), b_whole = AsInteger(b, j);
  if (a_whole && b_whole) return Integers(sign, i, j);
  double x = 0.0, y = 0.0;
  if (AsReal(a, x) && AsReal(b, y)) return Reals(sign, x, y);
  const Sequence *s = a.sequence(), *t = b.sequence();
  if (sign == "+") {
    if (a.text() != nullptr && b.text() != nullptr) {
      TEMPER_RETURN_IF_ERROR(meter.Text(a.text()->size() + b.text()->size(),
                                        a.text()->input().size() + b.text()->input().size()));
      Text sum = *a.text();
      sum.Append(*b.text());
      return Value::String(std::move(sum));
    }
    if (IsListOrTuple(s) && IsListOrTuple(t) && s->kind == t->kind) {
      TEMPER_RETURN_IF_ERROR(meter.Items(s->items.size() + t->items.size()));
      std::vector<Value> items = s->items;
      items.insert(items.end(), t->items.begin(), t->items.end());
      return MakeSequence(meter, std::move(items), s->kind);
    }
  }
  if (sign == "*") {
    if (a.text() != nullptr && b_whole) return RepeatText(meter, *a.text(), j);
    if (b.text() != nullptr && a_whole) return RepeatText(meter, *b.text(), i);
    if (IsListOrTuple(s) && b_whole) return Repeat(meter, *s, j);
    if (IsListOrTuple(t) && a_whole) return Repeat(meter, *t, i);
  }
  if (sign == "+" && (a.text() != nullptr || IsListOrTuple(s))) {
    return absl::InvalidArgumentError(Words("can only concatenate ", TypeName(a), " (not \"",
                                            TypeName(b), "\") to ", TypeName(a)));
  }
  return absl::InvalidArgumentError(Words("unsupported operand type(s) for ", sign, ": '",
                                          TypeName(a), "' and '", TypeName(b), "'"));
}

absl::StatusOr<Value> Negate(const Value& value) {
  if (value.is_undefined()) return value.WhyUndefined();
  if (const double* real = value.real()) return Value::Float(-*real);
  int64_t integer = 0;
  if (!AsInteger(value, integer)) {
    return absl::InvalidArgumentError(
        Words("bad operand type for unary -: '", TypeName(value), "'"));
  }
  if (integer == INT64_MIN) return Overflow("-", 0, integer);
  return Value::Int(-integer);
}

}  // namespace temper::model::jinja
