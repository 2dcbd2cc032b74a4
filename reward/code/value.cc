// Compares as Python does; keys and members are found by one spelling of each value.
#include "reward/code/value.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "reward/code/literal.h"

namespace temper::reward {
namespace {

using Kind = Value::Kind;

bool IsNumber(const Value& value) {
  return value.kind == Kind::kBool || value.kind == Kind::kInteger || value.kind == Kind::kFloat;
}

bool SameNumber(const Value& a, const Value& b) {
  if (a.kind == Kind::kFloat && b.kind == Kind::kFloat) {
    return std::strtod(a.text.c_str(), nullptr) == std::strtod(b.text.c_str(), nullptr);
  }
  std::string a_digits, b_digits;
  return IntegerDigits(a, &a_digits) && IntegerDigits(b, &b_digits) && a_digits == b_digits;
}

Kind ComparedAs(Kind kind) {
  if (kind == Kind::kTuple) return Kind::kList;
  return kind == Kind::kFrozenSet ? Kind::kSet : kind;
}

// Equal for values that are the same; of keys, a string is the integer that it spells.
std::string Canonical(const Value& value, bool key) {
  std::string digits;
  if (IsNumber(value)) return IntegerDigits(value, &digits) ? digits : value.text;
  if (value.kind == Kind::kString) return key ? value.text : absl::StrCat("s", value.text);
  if (ComparedAs(value.kind) != Kind::kList) return WriteLiteral(value);
  std::string joined = "[";
  for (const Value& item : value.items) {
    const std::string part = Canonical(item, false);
    absl::StrAppend(&joined, part.size(), ":", part, ",");
  }
  return joined;
}

using Index = std::unordered_map<std::string, const Value*>;

// From each key to its value, or from each member of a set to itself.
Index IndexOf(const Value& value) {
  Index index;
  const size_t stride = value.kind == Kind::kDict ? 2 : 1;
  for (size_t i = 0; i + stride <= value.items.size(); i += stride) {
    index.emplace(Canonical(value.items[i], stride == 2), &value.items[i + stride - 1]);
  }
  return index;
}

bool SameEntries(const Value& expected, const Value& found) {
  if (expected.items.size() != found.items.size()) return false;
  const Index wanted = IndexOf(expected);
  const Index given = IndexOf(found);
  if (wanted.size() != given.size()) return false;
  return std::ranges::all_of(wanted, [&](const auto& entry) {
    const auto match = given.find(entry.first);
    return match != given.end() && SameValue(*entry.second, *match->second);
  });
}

}  // namespace

bool IntegerDigits(const Value& value, std::string* digits) {
  if (value.kind == Kind::kBool) {
    *digits = value.text == "True" ? "1" : "0";
    return true;
  }
  if (value.kind == Kind::kInteger) {
    *digits = value.text;
    return true;
  }
  if (value.kind != Kind::kFloat) return false;
  const double number = std::strtod(value.text.c_str(), nullptr);
  if (!std::isfinite(number) || number != std::floor(number)) return false;
  std::array<char, 400> shown;
  std::snprintf(shown.data(), shown.size(), "%.0f", number == 0 ? 0.0 : number);
  *digits = shown.data();
  return true;
}

bool SameValue(const Value& expected, const Value& found) {
  if (IsNumber(expected) && IsNumber(found)) return SameNumber(expected, found);
  const Kind kind = ComparedAs(expected.kind);
  if (kind != ComparedAs(found.kind)) return false;
  switch (kind) {
    case Kind::kNone:
      return true;
    case Kind::kString:
    case Kind::kBytes:
      return expected.text == found.text;
    case Kind::kDict:
    case Kind::kSet:
      return SameEntries(expected, found);
    case Kind::kList:
    case Kind::kComplex:
    case Kind::kRange:
      return std::equal(expected.items.begin(), expected.items.end(), found.items.begin(),
                        found.items.end(), SameValue);
    default:
      return false;  // a handle, an iterator
  }
}

}  // namespace temper::reward
