// Which methods there are, and those of lists, dicts, loops and cyclers.
#include "policy/model/chat/jinja/methods.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/status_macros.h"
#include "policy/model/chat/jinja/arguments.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::string_view kTextMethods[] = {
    "capitalize",   "casefold",    "center",    "count",      "encode",       "endswith",
    "expandtabs",   "find",        "format",    "format_map", "index",        "isalnum",
    "isalpha",      "isascii",     "isdecimal", "isdigit",    "isidentifier", "islower",
    "isnumeric",    "isprintable", "isspace",   "istitle",    "isupper",      "join",
    "ljust",        "lower",       "lstrip",    "maketrans",  "partition",    "removeprefix",
    "removesuffix", "replace",     "rfind",     "rindex",     "rjust",        "rpartition",
    "rsplit",       "rstrip",      "split",     "splitlines", "startswith",   "strip",
    "swapcase",     "title",       "translate", "upper",      "zfill"};
constexpr std::string_view kListMethods[] = {"append", "clear",   "copy",   "count",
                                             "extend", "index",   "insert", "pop",
                                             "remove", "reverse", "sort"};
constexpr std::string_view kTupleMethods[] = {"count", "index"};
constexpr std::string_view kDictMethods[] = {"clear",      "copy",   "fromkeys", "get",
                                             "items",      "keys",   "pop",      "popitem",
                                             "setdefault", "update", "values"};
constexpr std::string_view kLoopMethods[] = {"changed", "cycle"};
constexpr std::string_view kCyclerMethods[] = {"next", "reset"};
constexpr std::string_view kListChanges[] = {"append", "clear",  "extend",  "insert",
                                             "pop",    "remove", "reverse", "sort"};
constexpr std::string_view kDictChanges[] = {"clear", "pop", "popitem", "setdefault", "update"};

bool Holds(Names names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

Names MethodsOf(const Value& value) {
  if (value.text() != nullptr) return kTextMethods;
  if (value.dict() != nullptr) return kDictMethods;
  if (const Sequence* sequence = value.sequence()) {
    if (sequence->kind == Sequence::Kind::kList) return kListMethods;
    if (sequence->indexable()) return kTupleMethods;
  }
  if (const Fields* fields = value.fields()) {
    if (fields->kind == Fields::Kind::kLoop) return kLoopMethods;
    if (fields->kind == Fields::Kind::kCycler) return kCyclerMethods;
  }
  return {};
}

absl::Status Unsupported(const Value& receiver, std::string_view name) {
  return absl::UnimplementedError(
      Words("the method ", name, " of ", TypeName(receiver), " is not supported"));
}

absl::StatusOr<Value> CallDictMethod(Meter& meter, const Dict& dict, const Value& receiver,
                                     std::string_view name, const Arguments& arguments) {
  if (name == "get") {
    TEMPER_ASSIGN_OR_RETURN(const Bound bound,
                            Bound::Make("get", arguments, {"key", "default"}, 1));
    TEMPER_RETURN_IF_ERROR(meter.Steps(bound[0].weight()));
    TEMPER_RETURN_IF_ERROR(HashKey(bound[0]).status());
    const Value* found = dict.Find(bound[0]);
    return found == nullptr ? bound[1] : *found;
  }
  if (name == "fromkeys") return Unsupported(receiver, name);
  TEMPER_RETURN_IF_ERROR(Bound::Make(name, arguments, {}).status());
  if (name == "copy") return receiver;
  using Kind = Sequence::Kind;
  const Kind kind = name == "keys" ? Kind::kKeys : name == "values" ? Kind::kValues : Kind::kItems;
  std::vector<Value> items;
  for (const auto& [key, value] : dict.entries) {
    if (kind == Kind::kItems) {
      TEMPER_ASSIGN_OR_RETURN(Value pair, MakeSequence(meter, {key, value}, Kind::kTuple));
      items.push_back(std::move(pair));
    } else {
      items.push_back(kind == Kind::kKeys ? key : value);
    }
  }
  return MakeSequence(meter, std::move(items), kind);
}

absl::StatusOr<Value> CallListMethod(Meter& meter, const Sequence& list, const Value& receiver,
                                     std::string_view name, const Arguments& arguments) {
  if (name == "copy") return receiver;
  TEMPER_RETURN_IF_ERROR(meter.Steps(list.weight));
  if (name == "count") {
    TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("count", arguments, {"value"}, 1));
    return Value::Int(std::ranges::count_if(
        list.items, [&](const Value& item) { return Equal(item, bound[0]); }));
  }
  if (name != "index") return Unsupported(receiver, name);
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("index", arguments, {"value"}, 1));
  const auto at =
      std::ranges::find_if(list.items, [&](const Value& item) { return Equal(item, bound[0]); });
  if (at == list.items.end()) return absl::InvalidArgumentError("index: the value is not in list");
  return Value::Int(at - list.items.begin());
}

absl::StatusOr<Value> CallLoopMethod(Meter& meter, Fields& loop, std::string_view name,
                                     const Arguments& arguments) {
  if (name == "cycle") {
    if (arguments.positional.empty()) {
      return absl::InvalidArgumentError("cycle: expected at least one value");
    }
    return arguments.positional[loop.at % arguments.positional.size()];
  }
  // A loop does not keep itself.
  for (const Value& value : arguments.positional) {
    if (value.fields() != nullptr)
      return absl::InvalidArgumentError("changed: expected plain data");
  }
  TEMPER_ASSIGN_OR_RETURN(Value seen, MakeSequence(meter, arguments.positional));
  const bool changed = !loop.asked_changed || !Equal(loop.changed, seen);
  loop.asked_changed = true;
  loop.changed = std::move(seen);
  return Value::Bool(changed);
}

Value CallCyclerMethod(Fields& cycler, std::string_view name) {
  if (name == "reset") {
    cycler.at = 0;
    return Value();
  }
  return cycler.items[cycler.at++ % cycler.items.size()];
}

}  // namespace

bool HasMethod(const Value& receiver, std::string_view name) {
  return Holds(MethodsOf(receiver), name);
}

bool ChangesReceiver(const Value& receiver, std::string_view name) {
  if (receiver.dict() != nullptr) return Holds(kDictChanges, name);
  const Sequence* sequence = receiver.sequence();
  return sequence != nullptr && sequence->kind == Sequence::Kind::kList &&
         Holds(kListChanges, name);
}

absl::StatusOr<Value> CallMethod(Meter& meter, const Value& receiver, std::string_view name,
                                 const Arguments& arguments) {
  if (const Text* text = receiver.text()) return CallTextMethod(meter, *text, name, arguments);
  TEMPER_RETURN_IF_ERROR(CheckNameless(name, arguments));
  if (const Dict* dict = receiver.dict()) {
    return CallDictMethod(meter, *dict, receiver, name, arguments);
  }
  if (const Sequence* sequence = receiver.sequence()) {
    return CallListMethod(meter, *sequence, receiver, name, arguments);
  }
  Fields* fields = receiver.fields();
  if (fields == nullptr) return Unsupported(receiver, name);
  if (fields->kind == Fields::Kind::kCycler) return CallCyclerMethod(*fields, name);
  return CallLoopMethod(meter, *fields, name, arguments);
}

}  // namespace temper::model::jinja
