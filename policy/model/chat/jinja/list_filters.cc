// Filters that go through lists, dicts and strings.
#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/arguments.h"
#include "policy/model/chat/jinja/attribute_path.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/filters.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/python_text.h"
#include "policy/model/chat/jinja/text_edit.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

using Result = absl::StatusOr<Value>;
using In = const Value&;
using Args = const Arguments&;
using Kind = Sequence::Kind;

Result Sum(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("sum", arguments, {"attribute", "start"}));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  Value sum = bound.has(1) ? bound[1] : Value::Int(0);
  if (sum.text() != nullptr) return absl::InvalidArgumentError("sum: strings cannot be summed");
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> path, PathOf(meter, bound[0]));
  for (const Value& item : items) {
    TEMPER_ASSIGN_OR_RETURN(const Value value, Follow(meter, item, path));
    TEMPER_ASSIGN_OR_RETURN(sum, Calculate(meter, "+", sum, value));
  }
  return sum;
}

Result Count(Meter& meter, In input, Args arguments) {
  TEMPER_RETURN_IF_ERROR(Bound::Make("length", arguments, {}).status());
  TEMPER_ASSIGN_OR_RETURN(const int64_t length, Length(meter, input));
  return Value::Int(length);
}

Result First(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  return items.empty() ? Value::UndefinedFor("No first item, sequence was empty.") : items.front();
}

absl::Status CheckReversible(std::string_view filter, In input) {
  const Sequence* sequence = input.sequence();
  const bool good = input.text() || input.dict() || input.is_undefined() ||
                    (sequence != nullptr && sequence->kind != Kind::kIterator);
  return good ? absl::OkStatus()
              : absl::InvalidArgumentError(
                    Words(filter, ": '", TypeName(input), "' object is not reversible"));
}

Result Last(Meter& meter, In input, Args arguments) {
  if (input.is_undefined()) return input.WhyUndefined();
  TEMPER_RETURN_IF_ERROR(CheckReversible("last", input));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  return items.empty() ? Value::UndefinedFor("No last item, sequence was empty.") : items.back();
}

Result Reverse(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(std::vector<Value> items, Items(meter, input));
  std::ranges::reverse(items);
  if (input.text() == nullptr) return MakeSequence(meter, std::move(items), Kind::kIterator);
  Text text;
  for (const Value& character : items) text.Append(*character.text());
  return MakeText(meter, std::move(text));
}

Result List(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(std::vector<Value> items, Items(meter, input));
  return MakeSequence(meter, std::move(items));
}

Result ItemsFilter(Meter& meter, In input, Args arguments) {
  if (input.is_undefined()) return MakeSequence(meter, {}, Kind::kIterator);
  if (input.dict() == nullptr) {
    return absl::InvalidArgumentError("items: Can only get item pairs from a mapping.");
  }
  std::vector<Value> pairs;
  for (const auto& [key, value] : input.dict()->entries) {
    TEMPER_ASSIGN_OR_RETURN(Value pair, MakeSequence(meter, {key, value}, Kind::kTuple));
    pairs.push_back(std::move(pair));
  }
  return MakeSequence(meter, std::move(pairs), Kind::kIterator);
}

Result JoinFilter(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("join", arguments, {"d", "attribute"}));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  Text separator;
  if (bound.has(0)) {
    TEMPER_ASSIGN_OR_RETURN(separator, ToText(meter, bound[0]));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> path, PathOf(meter, bound[1]));
  std::vector<Text> parts;
  for (const Value& item : items) {
    TEMPER_ASSIGN_OR_RETURN(const Value value, Follow(meter, item, path));
    TEMPER_RETURN_IF_ERROR(meter.Steps(kStepsPerPart));
    TEMPER_ASSIGN_OR_RETURN(Text part, ToText(meter, value));
    parts.push_back(std::move(part));
  }
  TEMPER_ASSIGN_OR_RETURN(Text joined, Join(meter, separator, parts));
  return Value::String(std::move(joined));
}

// Rows of `linecount`; `fill_with` completes the last.
Result Batch(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound,
                          Bound::Make("batch", arguments, {"linecount", "fill_with"}, 1));
  TEMPER_ASSIGN_OR_RETURN(const int64_t size, bound.Integer(0, 1));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  if (size < 1) return absl::InvalidArgumentError("batch: linecount: expected at least 1");
  std::vector<Value> rows;
  const int64_t count = items.size();
  for (int64_t begin = 0; begin < count; begin += std::min(size, count)) {
    const int64_t end = size > count - begin ? count : begin + size;
    std::vector<Value> row(items.begin() + begin, items.begin() + end);
    if (!bound[1].is_none()) {
      TEMPER_RETURN_IF_ERROR(meter.Items(size));
      row.resize(size, bound[1]);
    }
    TEMPER_ASSIGN_OR_RETURN(Value made, MakeSequence(meter, std::move(row)));
    rows.push_back(std::move(made));
  }
  return MakeSequence(meter, std::move(rows), Kind::kIterator);
}

// `slices` columns of nearly the same length.
Result SliceFilter(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound,
                          Bound::Make("slice", arguments, {"slices", "fill_with"}, 1));
  TEMPER_ASSIGN_OR_RETURN(const int64_t slices, bound.Integer(0, 1));
  if (slices < 1) return absl::InvalidArgumentError("slice: slices: expected at least 1");
  TEMPER_RETURN_IF_ERROR(meter.Items(slices));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  const int64_t size = items.size(), each = size / slices, longer = size % slices;
  std::vector<Value> columns;
  int64_t begin = 0;
  for (int64_t i = 0; i < slices; ++i) {
    const int64_t end = begin + each + (i < longer ? 1 : 0);
    std::vector<Value> column(items.begin() + begin, items.begin() + end);
    if (!bound[1].is_none() && i >= longer) column.push_back(bound[1]);
    TEMPER_ASSIGN_OR_RETURN(Value made, MakeSequence(meter, std::move(column)));
    columns.push_back(std::move(made));
    begin = end;
  }
  return MakeSequence(meter, std::move(columns), Kind::kIterator);
}

Result Map(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  std::vector<Value> mapped;
  if (arguments.positional.empty()) {
    TEMPER_ASSIGN_OR_RETURN(const Bound bound,
                            Bound::Make("map", arguments, {"attribute", "default"}, 1));
    TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> path, PathOf(meter, bound[0]));
    const Value* otherwise = bound[1].is_none() ? nullptr : &bound[1];
    for (const Value& item : items) {
      TEMPER_ASSIGN_OR_RETURN(Value value, Follow(meter, item, path, otherwise));
      mapped.push_back(std::move(value));
    }
  } else {
    const Text* name = arguments.positional[0].text();
    if (name == nullptr) return absl::InvalidArgumentError("map: expected the name of a filter");
    Arguments rest = arguments;
    rest.positional.erase(rest.positional.begin());
    for (const Value& item : items) {
      TEMPER_RETURN_IF_ERROR(meter.Steps(1));
      TEMPER_ASSIGN_OR_RETURN(Value value, CallFilter(meter, name->bytes(), item, rest));
      mapped.push_back(std::move(value));
    }
  }
  return MakeSequence(meter, std::move(mapped), Kind::kIterator);
}

// select, reject, selectattr, rejectattr.
template <bool kWanted, bool kAttribute>
Result Choose(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  Arguments rest = arguments;
  std::vector<Value> path;
  if (kAttribute) {
    if (rest.positional.empty()) {
      return absl::InvalidArgumentError("selectattr: expected the name of an attribute");
    }
    TEMPER_ASSIGN_OR_RETURN(path, PathOf(meter, rest.positional[0]));
    rest.positional.erase(rest.positional.begin());
  }
  const Text* name = nullptr;
  Value name_value;
  if (!rest.positional.empty()) {
    name_value = rest.positional[0];
    name = name_value.text();
    if (name == nullptr) return absl::InvalidArgumentError("select: expected the name of a test");
    rest.positional.erase(rest.positional.begin());
  }
  std::vector<Value> kept;
  for (const Value& item : items) {
    TEMPER_RETURN_IF_ERROR(meter.Steps(1));
    TEMPER_ASSIGN_OR_RETURN(const Value value, Follow(meter, item, path));
    bool holds = Truth(value);
    if (name != nullptr) {
      TEMPER_ASSIGN_OR_RETURN(holds, CallTest(meter, name->bytes(), value, rest));
    }
    if (holds == kWanted) kept.push_back(item);
  }
  return MakeSequence(meter, std::move(kept), Kind::kIterator);
}

Result AttributeFilter(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("attr", arguments, {"name"}, 1));
  TEMPER_ASSIGN_OR_RETURN(const Text name, bound.String(0, ""));
  // Only what is no key: a method, or a field.
  return input.dict() != nullptr ? Method(input, name.bytes()) : Attribute(input, name.bytes());
}

}  // namespace

Filter FindListFilter(std::string_view name) {
  static const auto& filters =
      *new absl::flat_hash_map<std::string_view, Filter>{{"sum", Sum},
                                                         {"length", Count},
                                                         {"count", Count},
                                                         {"first", First},
                                                         {"last", Last},
                                                         {"reverse", Reverse},
                                                         {"list", List},
                                                         {"items", ItemsFilter},
                                                         {"join", JoinFilter},
                                                         {"batch", Batch},
                                                         {"slice", SliceFilter},
                                                         {"map", Map},
                                                         {"select", Choose<true, false>},
                                                         {"reject", Choose<false, false>},
                                                         {"selectattr", Choose<true, true>},
                                                         {"rejectattr", Choose<false, true>},
                                                         {"attr", AttributeFilter}};
  const auto found = filters.find(name);
  return found == filters.end() ? nullptr : found->second;
}

}  // namespace temper::model::jinja
