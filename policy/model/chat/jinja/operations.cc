// Iteration, lookup and slices.
#include "policy/model/chat/jinja/operations.h"

#include <algorithm>

#include "base/status_macros.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/methods.h"
#include "policy/model/chat/jinja/unicode.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

// How Jinja names a value in words about its attributes.
std::string ObjectName(const Value& value) {
  return value.is_none() ? "None" : Words(TypeName(value), " object");
}

Value NoAttribute(const Value& value, std::string_view name) {
  return Value::UndefinedFor(Words("'", ObjectName(value), "' has no attribute '", name, "'"));
}

Value LoopField(const Fields& loop, std::string_view name) {
  const int64_t index = static_cast<int64_t>(loop.at), length = loop.items.size();
  if (name == "index") return Value::Int(index + 1);
  if (name == "index0") return Value::Int(index);
  if (name == "revindex") return Value::Int(length - index);
  if (name == "revindex0") return Value::Int(length - index - 1);
  if (name == "first") return Value::Bool(index == 0);
  if (name == "last") return Value::Bool(index + 1 == length);
  if (name == "length") return Value::Int(length);
  if (name == "depth") return Value::Int(loop.loop_depth + 1);
  if (name == "depth0") return Value::Int(loop.loop_depth);
  if (name == "previtem") {
    return index > 0 && index <= length ? loop.items[index - 1]
                                        : Value::UndefinedFor("there is no previous item");
  }
  if (name == "nextitem") {
    return index + 1 < length ? loop.items[index + 1]
                              : Value::UndefinedFor("there is no next item");
  }
  return Value::UndefinedFor(Words("'loop' has no attribute '", name, "'"));
}

// A field of a namespace or a loop, or the current item of a cycler.
Value FieldOf(const Value& value, const Fields& fields, std::string_view name) {
  if (fields.kind == Fields::Kind::kLoop) return LoopField(fields, name);
  if (fields.kind == Fields::Kind::kCycler && name == "current") {
    return fields.items[fields.at % fields.items.size()];
  }
  const Value* field = fields.kind == Fields::Kind::kNamespace ? fields.named.Find(name) : nullptr;
  return field == nullptr ? NoAttribute(value, name) : *field;
}

absl::StatusOr<Value> MakeMethod(const Value& value, std::string_view name) {
  if (ChangesReceiver(value, name)) {
    return Value::UndefinedFor(Words("access to attribute '", name, "' of '", TypeName(value),
                                     "' object is unsafe: templates "
                                     "cannot change values"));
  }
  auto method = std::make_shared<Callable>();
  method->kind = Callable::Kind::kMethod;
  method->name = name;
  method->receiver = value;
  if (method->receiver.depth() + 1 > kNestingMax) {
    return absl::ResourceExhaustedError("values nested too deep");
  }
  return Value::Of(std::shared_ptr<const Callable>(std::move(method)));
}

absl::Status CheckName(const Value& value, std::string_view name) {
  if (value.is_undefined()) return value.WhyUndefined();
  if (!name.starts_with("__")) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Words("access to attribute '", name, "' is refused: templates see data only"));
}

absl::StatusOr<Value> Index(Meter& meter, const Value& value, int64_t index) {
  const auto none = [&] {
    return Value::UndefinedFor(Words(ObjectName(value), " has no element ", index));
  };
  if (const Text* text = value.text()) {
    TEMPER_RETURN_IF_ERROR(meter.Steps(static_cast<int64_t>(text->size() / kCharactersPerStep)));
    const int64_t size = CountCharacters(text->bytes());
    const int64_t at = index < 0 ? index + size : index;
    if (at < 0 || at >= size) return none();
    const size_t begin = OffsetOf(text->bytes(), at);
    return Value::String(text->Slice(begin, begin + CharacterAt(text->bytes(), begin).bytes));
  }
  const Sequence& sequence = *value.sequence();
  const int64_t size = sequence.items.size();
  const int64_t at = index < 0 ? index + size : index;
  return at < 0 || at >= size ? none() : sequence.items[at];
}

// Python's rule: where a slice begins, ends, and by what it steps.
struct Bounds {
  int64_t begin, end, step;
};
std::optional<Bounds> BoundsOf(int64_t size, const Value& begin, const Value& end,
                               const Value& step) {
  Bounds bounds{0, 0, 1};
  if (!step.is_none() && (!AsInteger(step, bounds.step) || bounds.step == 0)) return std::nullopt;
  const bool down = bounds.step < 0;
  const auto place = [&](const Value& value, int64_t otherwise, int64_t& bound) {
    if (value.is_none()) {
      bound = otherwise;
      return true;
    }
    if (!AsInteger(value, bound)) return false;
    if (bound < 0) bound = std::max(bound + size, int64_t{down ? -1 : 0});
    bound = std::min(bound, down ? size - 1 : size);
    return true;
  };
  if (!place(begin, down ? size - 1 : 0, bounds.begin)) return std::nullopt;
  if (!place(end, down ? -1 : size, bounds.end)) return std::nullopt;
  return bounds;
}

}  // namespace

absl::StatusOr<std::vector<Value>> Items(Meter& meter, const Value& value) {
  std::vector<Value> items;
  if (value.is_undefined()) return items;
  if (const Text* text = value.text()) {
    TEMPER_RETURN_IF_ERROR(meter.Items(text->size()));
    TEMPER_RETURN_IF_ERROR(
        meter.Steps((kStepsPerPart - 1) * static_cast<int64_t>(text->size())));  // a string each
    for (size_t at = 0; at < text->size();) {
      const size_t bytes = CharacterAt(text->bytes(), at).bytes;
      items.push_back(Value::String(text->Slice(at, at + bytes)));
      at += bytes;
    }
    return items;
  }
  if (const Dict* dict = value.dict()) {
    TEMPER_RETURN_IF_ERROR(meter.Items(dict->entries.size()));
    for (const auto& [key, item] : dict->entries) items.push_back(key);
    return items;
  }
  if (const Sequence* sequence = value.sequence()) {
    if (sequence->spent) return items;
    sequence->spent = sequence->kind == Sequence::Kind::kIterator;
    TEMPER_RETURN_IF_ERROR(meter.Items(sequence->items.size()));
    return sequence->items;
  }
  return absl::InvalidArgumentError(Words("'", TypeName(value), "' object is not iterable"));
}

absl::StatusOr<int64_t> Length(Meter& meter, const Value& value) {
  if (value.is_undefined()) return 0;
  if (const Text* text = value.text()) {
    TEMPER_RETURN_IF_ERROR(meter.Steps(static_cast<int64_t>(text->size() / kCharactersPerStep)));
    return CountCharacters(text->bytes());
  }
  if (const Dict* dict = value.dict()) return dict->entries.size();
  const Sequence* sequence = value.sequence();
  if (sequence != nullptr && sequence->kind != Sequence::Kind::kIterator) {
    return sequence->items.size();
  }
  const Fields* fields = value.fields();
  if (fields != nullptr && fields->kind == Fields::Kind::kLoop) return fields->items.size();
  return absl::InvalidArgumentError(Words("object of type '", TypeName(value), "' has no len()"));
}

absl::StatusOr<Value> Method(const Value& value, std::string_view name) {
  TEMPER_RETURN_IF_ERROR(CheckName(value, name));
  if (HasMethod(value, name)) return MakeMethod(value, name);
  return NoAttribute(value, name);
}

absl::StatusOr<Value> Attribute(const Value& value, std::string_view name) {
  TEMPER_RETURN_IF_ERROR(CheckName(value, name));
  if (HasMethod(value, name)) return MakeMethod(value, name);
  if (const Dict* dict = value.dict()) {
    if (const Value* found = dict->Find(name)) return *found;
  }
  if (const Fields* fields = value.fields()) return FieldOf(value, *fields, name);
  return NoAttribute(value, name);
}

absl::StatusOr<Value> Item(Meter& meter, const Value& value, const Value& key) {
  if (value.is_undefined()) return value.WhyUndefined();
  TEMPER_RETURN_IF_ERROR(meter.Steps(key.weight()));
  if (const Dict* dict = value.dict()) {
    if (const Value* found = dict->Find(key)) return *found;
  }
  int64_t index = 0;
  const bool indexable =
      value.text() != nullptr || (value.sequence() != nullptr && value.sequence()->indexable());
  if (indexable && AsInteger(key, index)) return Index(meter, value, index);
  if (const Text* name = key.text()) {
    if (value.dict() == nullptr) return Attribute(value, name->bytes());
    TEMPER_RETURN_IF_ERROR(CheckName(value, name->bytes()));
    return HasMethod(value, name->bytes()) ? MakeMethod(value, name->bytes())
                                           : NoAttribute(value, name->bytes());
  }
  return Value::UndefinedFor(Words(ObjectName(value), " has no such element"));
}

absl::StatusOr<Value> Slice(Meter& meter, const Value& value, const Value& begin, const Value& end,
                            const Value& step) {
  if (value.is_undefined()) return value.WhyUndefined();
  const Text* text = value.text();
  const Sequence* sequence = value.sequence();
  const bool sliceable = text != nullptr || (sequence != nullptr && sequence->indexable());
  const Value none = Value::UndefinedFor(Words(ObjectName(value), " has no such slice"));
  if (!sliceable) return none;
  TEMPER_ASSIGN_OR_RETURN(const int64_t size, Length(meter, value));
  if (step.integer() != nullptr && *step.integer() == 0) {
    return absl::InvalidArgumentError("slice step cannot be zero");
  }
  const std::optional<Bounds> bounds = BoundsOf(size, begin, end, step);
  if (!bounds.has_value()) return none;
  if (text != nullptr && bounds->step == 1) {
    const size_t from = OffsetOf(text->bytes(), bounds->begin);
    const size_t to = OffsetOf(text->bytes(), std::max(bounds->begin, bounds->end));
    return MakeText(meter, text->Slice(from, to));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(meter, value));
  std::vector<Value> kept;
  const bool down = bounds->step < 0;
  for (int64_t i = bounds->begin; down ? i > bounds->end : i < bounds->end;) {
    kept.push_back(items[i]);
    if (__builtin_add_overflow(i, bounds->step, &i)) break;
  }
  if (text == nullptr) return MakeSequence(meter, std::move(kept), sequence->kind);
  Text joined;
  for (const Value& character : kept) joined.Append(*character.text());
  return MakeText(meter, std::move(joined));
}

absl::StatusOr<bool> Compare(Meter& meter, std::string_view sign, const Value& a, const Value& b) {
  if (sign == "in" || sign == "not in") {
    TEMPER_ASSIGN_OR_RETURN(const bool in, Contains(meter, b, a));
    return in == (sign == "in");
  }
  TEMPER_RETURN_IF_ERROR(meter.Steps(std::min(a.weight(), b.weight())));
  if (sign == "==") return Equal(a, b);
  if (sign == "!=") return !Equal(a, b);
  TEMPER_ASSIGN_OR_RETURN(const int order, Order(a, b, sign));
  if (order == 2) return false;  // not a number
  if (sign == "<") return order < 0;
  if (sign == "<=") return order <= 0;
  if (sign == ">") return order > 0;
  return order >= 0;
}

}  // namespace temper::model::jinja
