// Python's rules of comparison. Values are at most kNestingMax deep, so recursion is bounded.
#include "policy/model/chat/jinja/compare.h"

#include <algorithm>
#include <cmath>

#include "base/status_macros.h"
#include "policy/model/chat/jinja/numbers.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

bool IsNumber(const Value& value) { return value.boolean() || value.integer() || value.real(); }

// -1, 0, 1; 2 when one is not a number.
int CompareNumbers(const Value& a, const Value& b) {
  int64_t i = 0, j = 0;
  if (AsInteger(a, i) && AsInteger(b, j)) return i < j ? -1 : i > j ? 1 : 0;
  double x = 0.0, y = 0.0;
  AsReal(a, x);
  AsReal(b, y);
  return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

bool EqualDicts(const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  return std::ranges::all_of(a.entries, [&](const auto& entry) {
    const Value* other = b.Find(entry.first);
    return other != nullptr && Equal(entry.second, *other);
  });
}

bool EqualSequences(const Value& a, const Value& b) {
  const Sequence &x = *a.sequence(), &y = *b.sequence();
  if (x.kind != y.kind || x.kind == Sequence::Kind::kIterator ||
      x.kind == Sequence::Kind::kValues) {
    return &x == &y;
  }
  return std::ranges::equal(x.items, y.items, Equal);
}

bool EqualCallables(const Callable& a, const Callable& b) {
  return a.kind == b.kind && a.name == b.name && a.macro == b.macro && a.scope == b.scope &&
         Equal(a.receiver, b.receiver);
}

}  // namespace

bool AsInteger(const Value& value, int64_t& number) {
  if (const bool* boolean = value.boolean()) {
    number = *boolean ? 1 : 0;
    return true;
  }
  if (const int64_t* integer = value.integer()) {
    number = *integer;
    return true;
  }
  return false;
}

bool AsReal(const Value& value, double& number) {
  if (const double* real = value.real()) {
    number = *real;
    return true;
  }
  int64_t integer = 0;
  if (!AsInteger(value, integer)) return false;
  number = static_cast<double>(integer);
  return true;
}

bool Truth(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  double number = 0.0;
  if (AsReal(value, number)) return number != 0.0;
  if (const Text* text = value.text()) return !text->empty();
  if (const Dict* dict = value.dict()) return !dict->entries.empty();
  if (const Sequence* sequence = value.sequence()) {
    return sequence->kind == Sequence::Kind::kIterator || !sequence->items.empty();
  }
  return true;
}

bool Equal(const Value& a, const Value& b) {
  if (IsNumber(a) && IsNumber(b)) return CompareNumbers(a, b) == 0;
  if (a.text() && b.text()) return a.text()->bytes() == b.text()->bytes();
  if (a.dict() && b.dict()) return EqualDicts(*a.dict(), *b.dict());
  if (a.sequence() && b.sequence()) return EqualSequences(a, b);
  if (a.callable() && b.callable()) return EqualCallables(*a.callable(), *b.callable());
  if (a.fields() || b.fields()) return a.fields() == b.fields();
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

absl::StatusOr<int> Order(const Value& a, const Value& b, std::string_view sign) {
  if (a.is_undefined()) return a.WhyUndefined();
  if (b.is_undefined()) return b.WhyUndefined();
  if (IsNumber(a) && IsNumber(b)) return CompareNumbers(a, b);
  if (a.text() && b.text()) {
    // UTF-8 keeps the order of code points.
    const int order = a.text()->bytes().compare(b.text()->bytes());
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  const Sequence *x = a.sequence(), *y = b.sequence();
  if (x && y && x->kind == y->kind && x->kind <= Sequence::Kind::kTuple) {
    for (size_t i = 0; i < x->items.size() && i < y->items.size(); ++i) {
      if (!Equal(x->items[i], y->items[i])) return Order(x->items[i], y->items[i], sign);
    }
    return x->items.size() < y->items.size() ? -1 : x->items.size() > y->items.size() ? 1 : 0;
  }
  return absl::InvalidArgumentError(
      Words("'", sign, "' is not supported between '", TypeName(a), "' and '", TypeName(b), "'"));
}

absl::StatusOr<std::string> HashKey(const Value& value) {
  if (const Text* text = value.text()) return "s" + text->bytes();
  int64_t integer = 0;
  if (AsInteger(value, integer)) return Words("n", integer);
  if (const double* real = value.real()) {
    const bool whole = *real == std::floor(*real) && std::fabs(*real) < 9e18;
    return whole ? Words("n", static_cast<int64_t>(*real)) : "n" + FloatText(*real);
  }
  if (value.is_none()) return "none";
  if (value.is_undefined()) return "undefined";
  if (const Fields* fields = value.fields()) {
    return Words("f", reinterpret_cast<uintptr_t>(fields));
  }
  if (const Callable* callable = value.callable()) {
    return Words("c", reinterpret_cast<uintptr_t>(callable));
  }
  const Sequence* sequence = value.sequence();
  if (sequence != nullptr && sequence->kind == Sequence::Kind::kTuple) {
    std::string key = "t";
    for (const Value& item : sequence->items) {
      TEMPER_ASSIGN_OR_RETURN(const std::string part, HashKey(item));
      key += Words(part.size(), ":", part);
    }
    return key;
  }
  return absl::InvalidArgumentError(Words("unhashable type: '", TypeName(value), "'"));
}

absl::StatusOr<bool> Contains(Meter& meter, const Value& container, const Value& item) {
  if (const Text* text = container.text()) {
    const Text* part = item.text();
    if (part == nullptr) {
      return absl::InvalidArgumentError(
          Words("'in <string>' requires string as left operand, not ", TypeName(item)));
    }
    TEMPER_RETURN_IF_ERROR(meter.Steps(static_cast<int64_t>(text->size() / kBytesPerStep)));
    return FindText(text->bytes(), part->bytes()) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) {
    TEMPER_RETURN_IF_ERROR(meter.Steps(item.weight()));
    TEMPER_RETURN_IF_ERROR(HashKey(item).status());
    return dict->Find(item) != nullptr;
  }
  if (const Sequence* sequence = container.sequence()) {
    TEMPER_RETURN_IF_ERROR(meter.Steps(sequence->weight));
    if (sequence->spent) return false;
    return std::ranges::any_of(sequence->items,
                               [&](const Value& other) { return Equal(other, item); });
  }
  if (container.is_undefined()) return false;
  return absl::InvalidArgumentError(
      Words("argument of type '", TypeName(container), "' is not iterable"));
}

}  // namespace temper::model::jinja
