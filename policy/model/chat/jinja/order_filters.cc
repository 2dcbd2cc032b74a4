// Filters that compare items: sort, dictsort, unique, min, max, groupby.
#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/arguments.h"
#include "policy/model/chat/jinja/attribute_path.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/filters.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/text_edit.h"
#include "policy/model/chat/jinja/unicode.h"

namespace temper::model::jinja {
namespace {

using Result = absl::StatusOr<Value>;
using In = const Value&;
using Args = const Arguments&;
using Kind = Sequence::Kind;

Value IgnoreCase(const Value& value, bool case_sensitive) {
  if (case_sensitive || value.text() == nullptr) return value;
  return Value::String(value.text()->Changed(Lower(value.text()->bytes())));
}

// What items are compared by.
absl::StatusOr<std::vector<Value>> KeysOf(Meter& meter, const std::vector<Value>& items,
                                          const Value& attribute, bool case_sensitive) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> path, PathOf(meter, attribute));
  std::vector<Value> keys;
  for (const Value& item : items) {
    TEMPER_RETURN_IF_ERROR(meter.Steps(2 * kStepsPerPart));
    TEMPER_ASSIGN_OR_RETURN(const Value key, Follow(meter, item, path));
    if (key.text() != nullptr) TEMPER_RETURN_IF_ERROR(meter.Text(key.text()->size()));
    keys.push_back(IgnoreCase(key, case_sensitive));
  }
  return keys;
}

// The order in which `keys` are sorted; stable.
absl::StatusOr<std::vector<size_t>> SortedOrder(Meter& meter, const std::vector<Value>& keys,
                                                bool reverse) {
  std::vector<size_t> order(keys.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  absl::Status status;
  const auto before = [&](size_t a, size_t b) {
    if (!status.ok()) return false;
    if (const absl::Status paid = meter.Steps(5 + std::min(keys[a].weight(), keys[b].weight()));
        !paid.ok())
      status = paid;
    const absl::StatusOr<int> found =
        reverse ? Order(keys[b], keys[a], "<") : Order(keys[a], keys[b], "<");
    if (!found.ok()) status = found.status();
    return found.ok() && *found == -1;
  };
  std::ranges::stable_sort(order, before);
  if (!status.ok()) return status;
  return order;
}

Result Sort(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Make("sort", arguments, {"reverse", "case_sensitive", "attribute"}));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  // Several attributes with commas make a tuple to compare by.
  std::vector<Value> attributes = {bound[2]};
  if (const Text* text = bound[2].text()) {
    attributes.clear();
    const std::string comma = ",";
    TEMPER_ASSIGN_OR_RETURN(std::vector<Text> parts,
                            Split(meter, *text, &comma, -1, /*from_right=*/false));
    for (Text& part : parts) {
      attributes.push_back(Value::String(std::move(part)));
    }
  }
  std::vector<std::vector<Value>> tuples(items.size());
  for (const Value& attribute : attributes) {
    TEMPER_ASSIGN_OR_RETURN(std::vector<Value> keys,
                            KeysOf(meter, items, attribute, bound.Flag(1, false)));
    for (size_t i = 0; i < items.size(); ++i) tuples[i].push_back(std::move(keys[i]));
  }
  std::vector<Value> keys;
  for (std::vector<Value>& tuple : tuples) {
    TEMPER_ASSIGN_OR_RETURN(Value key, MakeSequence(meter, std::move(tuple)));
    keys.push_back(std::move(key));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::vector<size_t> order,
                          SortedOrder(meter, keys, bound.Flag(0, false)));
  std::vector<Value> sorted;
  for (const size_t i : order) sorted.push_back(items[i]);
  return MakeSequence(meter, std::move(sorted));
}

Result DictSort(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound,
                          Bound::Make("dictsort", arguments, {"case_sensitive", "by", "reverse"}));
  if (input.is_undefined()) return input.WhyUndefined();
  const Dict* dict = input.dict();
  if (dict == nullptr) return absl::InvalidArgumentError("dictsort: expected a dict");
  TEMPER_ASSIGN_OR_RETURN(const Text by, bound.String(1, "key"));
  if (by.bytes() != "key" && by.bytes() != "value") {
    return absl::InvalidArgumentError("dictsort: by: expected \"key\" or \"value\"");
  }
  std::vector<Value> keys;
  for (const auto& [key, value] : dict->entries) {
    keys.push_back(IgnoreCase(by.bytes() == "key" ? key : value, bound.Flag(0, false)));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::vector<size_t> order,
                          SortedOrder(meter, keys, bound.Flag(2, false)));
  std::vector<Value> pairs;
  for (const size_t i : order) {
    TEMPER_ASSIGN_OR_RETURN(
        Value pair,
        MakeSequence(meter, {dict->entries[i].first, dict->entries[i].second}, Kind::kTuple));
    pairs.push_back(std::move(pair));
  }
  return MakeSequence(meter, std::move(pairs));
}

Result Unique(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound,
                          Bound::Make("unique", arguments, {"case_sensitive", "attribute"}));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> keys,
                          KeysOf(meter, items, bound[1], bound.Flag(0, false)));
  absl::flat_hash_set<std::string> seen;
  std::vector<Value> kept;
  for (size_t i = 0; i < items.size(); ++i) {
    TEMPER_RETURN_IF_ERROR(meter.Steps(keys[i].weight()));
    TEMPER_ASSIGN_OR_RETURN(const std::string hash, HashKey(keys[i]));
    if (seen.insert(hash).second) kept.push_back(items[i]);
  }
  return MakeSequence(meter, std::move(kept), Kind::kIterator);
}

// min and max.
template <bool kLargest>
Result Extreme(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make(kLargest ? "max" : "min", arguments,
                                                         {"case_sensitive", "attribute"}));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  if (items.empty()) return Value::UndefinedFor("No aggregated item, sequence was empty.");
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> keys,
                          KeysOf(meter, items, bound[1], bound.Flag(0, false)));
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    TEMPER_RETURN_IF_ERROR(meter.Steps(std::min(keys[i].weight(), keys[best].weight())));
    TEMPER_ASSIGN_OR_RETURN(const int order, Order(keys[i], keys[best], kLargest ? ">" : "<"));
    if (order == (kLargest ? 1 : -1)) best = i;
  }
  return items[best];
}

Result GroupBy(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Make("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, input));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> path, PathOf(meter, bound[0]));
  const Value* otherwise = bound[1].is_none() ? nullptr : &bound[1];
  std::vector<Value> shown, keys;
  for (const Value& item : items) {
    TEMPER_ASSIGN_OR_RETURN(Value key, Follow(meter, item, path, otherwise));
    keys.push_back(IgnoreCase(key, bound.Flag(2, false)));
    shown.push_back(std::move(key));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::vector<size_t> order, SortedOrder(meter, keys, false));
  std::vector<Value> groups;
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    std::vector<Value> members;
    TEMPER_RETURN_IF_ERROR(meter.Steps(keys[order[begin]].weight()));
    for (; end < order.size() && Equal(keys[order[begin]], keys[order[end]]); ++end) {
      members.push_back(items[order[end]]);
    }
    TEMPER_ASSIGN_OR_RETURN(Value list, MakeSequence(meter, std::move(members)));
    TEMPER_ASSIGN_OR_RETURN(
        Value pair, MakeSequence(meter, {shown[order[begin]], std::move(list)}, Kind::kTuple));
    groups.push_back(std::move(pair));
  }
  return MakeSequence(meter, std::move(groups));
}

}  // namespace

Filter FindOrderFilter(std::string_view name) {
  static const auto& filters = *new absl::flat_hash_map<std::string_view, Filter>{
      {"sort", Sort},          {"dictsort", DictSort}, {"unique", Unique},
      {"min", Extreme<false>}, {"max", Extreme<true>}, {"groupby", GroupBy}};
  const auto found = filters.find(name);
  return found == filters.end() ? nullptr : found->second;
}

}  // namespace temper::model::jinja
