// Values are made here, so that none grows beyond the limits.
#include "policy/model/chat/jinja/value.h"

#include <algorithm>

#include "base/check.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

absl::Status CheckSize(int depth, int64_t weight) {
  if (weight > kWeightMax) {
    return absl::ResourceExhaustedError(Words("a value holds more than ", kWeightMax, " others"));
  }
  if (depth <= kNestingMax) return absl::OkStatus();
  return absl::ResourceExhaustedError(Words("values nested deeper than ", kNestingMax, " levels"));
}

}  // namespace

Value Value::UndefinedFor(std::string why) {
  return Value(Undefined{std::make_shared<const std::string>(std::move(why))});
}

Fields* Value::fields() const {
  Fields* const* fields = std::get_if<Fields*>(&held_);
  return fields == nullptr ? nullptr : *fields;
}

std::shared_ptr<const Dict> Value::shared_dict() const {
  return std::get<std::shared_ptr<const Dict>>(held_);
}

absl::Status Value::WhyUndefined() const {
  const Undefined* undefined = std::get_if<Undefined>(&held_);
  TEMPER_CHECK(undefined != nullptr);
  return absl::InvalidArgumentError(*undefined->why);
}

int Value::depth() const {
  if (const Sequence* s = sequence()) return s->depth;
  if (const Dict* d = dict()) return d->depth;
  if (const Callable* c = callable()) return c->receiver.depth() + 1;
  return 0;
}

int64_t Value::weight() const {
  if (const Text* t = text()) return 1 + static_cast<int64_t>(t->size() / kBytesPerStep);
  if (const Sequence* s = sequence()) return s->weight;
  if (const Dict* d = dict()) return d->weight;
  if (const Callable* c = callable()) return c->receiver.weight() + 1;
  return 1;
}

const Value* Dict::Find(const Value& key) const {
  const absl::StatusOr<std::string> hash = HashKey(key);
  if (!hash.ok()) return nullptr;
  const auto at = index_.find(*hash);
  return at == index_.end() ? nullptr : &entries[at->second].second;
}

const Value* Dict::Find(std::string_view key) const { return Find(Value::String(key)); }

void Dict::Set(const Value& key, Value value) {
  const absl::StatusOr<std::string> hash = HashKey(key);
  TEMPER_CHECK(hash.ok());
  depth = std::max({depth, value.depth() + 1, key.depth() + 1});
  weight += value.weight() + key.weight();  // what is replaced still counts
  const auto [at, added] = index_.emplace(*hash, entries.size());
  if (added) {
    entries.emplace_back(key, std::move(value));
  } else {
    entries[at->second].second = std::move(value);
  }
}

absl::StatusOr<Value> MakeSequence(Meter& meter, std::vector<Value> items, Sequence::Kind kind) {
  TEMPER_RETURN_IF_ERROR(meter.Items(items.size()));
  auto sequence = std::make_shared<Sequence>();
  sequence->kind = kind;
  for (const Value& item : items) {
    sequence->depth = std::max(sequence->depth, item.depth() + 1);
    sequence->weight += item.weight();
  }
  TEMPER_RETURN_IF_ERROR(CheckSize(sequence->depth, sequence->weight));
  sequence->items = std::move(items);
  return Value::Of(std::shared_ptr<const Sequence>(std::move(sequence)));
}

absl::StatusOr<Value> MakeText(Meter& meter, Text text) {
  TEMPER_RETURN_IF_ERROR(meter.Text(text.size(), text.input().size()));
  return Value::String(std::move(text));
}

absl::StatusOr<Value> MakeDict(Meter& meter, std::vector<std::pair<Value, Value>> entries) {
  TEMPER_RETURN_IF_ERROR(meter.Items(entries.size()));
  TEMPER_RETURN_IF_ERROR(meter.Steps(kStepsPerPart * static_cast<int64_t>(entries.size())));
  auto dict = std::make_shared<Dict>();
  for (auto& [key, value] : entries) {
    TEMPER_RETURN_IF_ERROR(meter.Steps(key.weight()));
    TEMPER_RETURN_IF_ERROR(HashKey(key).status());
    dict->Set(key, std::move(value));
  }
  TEMPER_RETURN_IF_ERROR(CheckSize(dict->depth, dict->weight));
  return Value::Of(std::shared_ptr<const Dict>(std::move(dict)));
}

std::string_view TypeName(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "NoneType";
  if (value.boolean()) return "bool";
  if (value.integer()) return "int";
  if (value.real()) return "float";
  if (value.text()) return "str";
  if (value.dict()) return "dict";
  if (const Callable* callable = value.callable()) {
    return callable->kind == Callable::Kind::kMacro ? "Macro" : "function";
  }
  if (const Fields* fields = value.fields()) {
    constexpr std::string_view kNames[] = {"Namespace", "LoopContext", "Cycler", "Joiner"};
    return kNames[static_cast<int>(fields->kind)];
  }
  constexpr std::string_view kNames[] = {"list",        "tuple",      "range",    "dict_keys",
                                         "dict_values", "dict_items", "generator"};
  return kNames[static_cast<int>(value.sequence()->kind)];
}

}  // namespace temper::model::jinja
