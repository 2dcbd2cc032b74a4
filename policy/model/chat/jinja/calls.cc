// Macros, methods, and the functions that a template finds.
#include <algorithm>
#include <ctime>
#include <utility>

#include "base/status_macros.h"
#include "policy/model/chat/jinja/arguments.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/machine.h"
#include "policy/model/chat/jinja/methods.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

constexpr int64_t kRangeMax = 100'000;  // as Jinja's sandbox has it
constexpr size_t kTimeFormatMax = 256;

absl::StatusOr<Value> MakeRange(Meter& meter, const Arguments& arguments) {
  TEMPER_RETURN_IF_ERROR(CheckNameless("range", arguments));
  TEMPER_ASSIGN_OR_RETURN(const Bound bound,
                          Bound::Make("range", arguments, {"start", "stop", "step"}, 1));
  TEMPER_ASSIGN_OR_RETURN(int64_t begin, bound.Integer(0, 0));
  TEMPER_ASSIGN_OR_RETURN(int64_t end, bound.Integer(1, 0));
  TEMPER_ASSIGN_OR_RETURN(const int64_t step, bound.Integer(2, 1));
  if (!bound.has(1)) end = std::exchange(begin, 0);
  if (step == 0) return absl::InvalidArgumentError("range: step: found 0");
  std::vector<Value> items;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (static_cast<int64_t>(items.size()) >= kRangeMax) {
      return absl::ResourceExhaustedError(Words("range: more than ", kRangeMax, " numbers"));
    }
    items.push_back(Value::Int(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return MakeSequence(meter, std::move(items), Sequence::Kind::kRange);
}

// dict(mapping or pairs, name=value, ...)
absl::StatusOr<std::vector<std::pair<Value, Value>>> EntriesOf(Meter& meter,
                                                               const Arguments& arguments) {
  std::vector<std::pair<Value, Value>> entries;
  if (arguments.positional.size() > 1) {
    return absl::InvalidArgumentError("dict: expected at most one argument without a name");
  }
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.dict() != nullptr) {
      entries = source.dict()->entries;
    } else {
      TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> pairs, Items(meter, source));
      for (const Value& pair : pairs) {
        TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> two, Items(meter, pair));
        if (two.size() != 2) return absl::InvalidArgumentError("dict: expected pairs");
        entries.emplace_back(two[0], two[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) {
    entries.emplace_back(Value::String(name), value);
  }
  TEMPER_RETURN_IF_ERROR(meter.Items(entries.size()));
  return entries;
}

absl::Status RaiseException(const Arguments& arguments) {
  const bool text = arguments.positional.size() == 1 && arguments.positional[0].text() != nullptr;
  return absl::InvalidArgumentError(Words(
      "the template refuses: ", text ? arguments.positional[0].text()->bytes() : "(no words)"));
}

}  // namespace

bool Machine::IsFunction(std::string_view name) const {
  constexpr std::string_view kNames[] = {"range",  "dict",   "namespace",
                                         "cycler", "joiner", "raise_exception"};
  return std::ranges::find(kNames, name) != std::end(kNames) ||
         (name == "strftime_now" && now_.has_value());
}

absl::StatusOr<Fields*> Machine::Keep(std::unique_ptr<Fields> fields) {
  TEMPER_RETURN_IF_ERROR(meter_.Steps(kStepsPerObject));
  fields_.push_back(std::move(fields));
  return fields_.back().get();
}

Machine::Result Machine::Call(const Value& callee, Arguments arguments) {
  if (callee.is_undefined()) return callee.WhyUndefined();
  if (const Callable* callable = callee.callable()) {
    switch (callable->kind) {
      case Callable::Kind::kMacro:
        return CallMacro(*callable, std::move(arguments));
      case Callable::Kind::kMethod:
        return CallMethod(meter_, callable->receiver, callable->name, arguments);
      case Callable::Kind::kFunction:
        return CallFunction(callable->name, arguments);
    }
  }
  if (Fields* fields = callee.fields()) {
    if (fields->kind == Fields::Kind::kJoiner) {
      return fields->at++ == 0 ? Value::String("") : fields->items[0];
    }
    if (fields->kind == Fields::Kind::kLoop) return CallLoop(*fields, arguments);
  }
  return absl::InvalidArgumentError(Words("'", TypeName(callee), "' object is not callable"));
}

absl::Status Machine::BindParameters(const Macro& macro, Arguments& arguments) {
  const size_t count = macro.parameters.size();
  const size_t first_default = count - macro.defaults.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = macro.parameters[i];
    const auto named = std::ranges::find_if(
        arguments.named, [&](const auto& argument) { return argument.first == name; });
    if (i < arguments.positional.size()) {
      scope_->Set(name, arguments.positional[i]);
    } else if (named != arguments.named.end()) {
      scope_->Set(name, named->second);
      arguments.named.erase(named);
    } else if (i >= first_default) {
      TEMPER_ASSIGN_OR_RETURN(Value value, Evaluate(*macro.defaults[i - first_default]));
      scope_->Set(name, std::move(value));
    } else {
      scope_->Set(name, Value::UndefinedFor(Words("parameter '", name, "' was not provided")));
    }
  }
  return absl::OkStatus();
}

Machine::Result Machine::CallMacro(const Callable& callable, Arguments arguments) {
  const Macro& macro = *callable.macro;
  Block block(*this, callable.scope);
  Value caller = Value::UndefinedFor("No caller defined");
  const bool own_caller = std::ranges::find(macro.parameters, "caller") != macro.parameters.end();
  if (!own_caller) {
    const auto given = std::ranges::find_if(
        arguments.named, [](const auto& argument) { return argument.first == "caller"; });
    if (given != arguments.named.end()) {
      caller = given->second;
      arguments.named.erase(given);
    }
    scope_->Set("caller", std::move(caller));
  }
  TEMPER_RETURN_IF_ERROR(BindParameters(macro, arguments));
  const size_t count = macro.parameters.size();
  if (macro.takes_more) {
    std::vector<Value> more;
    for (size_t i = count; i < arguments.positional.size(); ++i) {
      more.push_back(arguments.positional[i]);
    }
    TEMPER_ASSIGN_OR_RETURN(Value tuple,
                            MakeSequence(meter_, std::move(more), Sequence::Kind::kTuple));
    scope_->Set("varargs", std::move(tuple));
  } else if (arguments.positional.size() > count) {
    return absl::InvalidArgumentError(
        Words("macro '", macro.name, "' takes not more than ", count, " argument(s)"));
  }
  if (macro.takes_named) {
    TEMPER_ASSIGN_OR_RETURN(auto entries,
                            EntriesOf(meter_, {.positional = {}, .named = arguments.named}));
    TEMPER_ASSIGN_OR_RETURN(Value named, MakeDict(meter_, std::move(entries)));
    scope_->Set("kwargs", std::move(named));
  } else if (!arguments.named.empty()) {
    return absl::InvalidArgumentError(Words("macro '", macro.name, "' takes no keyword argument '",
                                            arguments.named[0].first, "'"));
  }
  TEMPER_ASSIGN_OR_RETURN(Text text, Captured(macro.body));
  return Value::String(std::move(text));
}

// loop(items) in a `recursive` loop renders its body for them.
Machine::Result Machine::CallLoop(const Fields& loop, const Arguments& arguments) {
  if (loop.statement == nullptr) {
    return absl::InvalidArgumentError(
        "The loop must have the 'recursive' marker to be called recursively.");
  }
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("loop", arguments, {"iterable"}, 1));
  Text text;
  Text* const outside = std::exchange(out_, &text);
  absl::Status status;
  {
    Block block(*this, loop.scope);
    status =
        ExecuteFor(*static_cast<const Statement*>(loop.statement), bound[0], loop.loop_depth + 1);
  }
  out_ = outside;
  if (!status.ok()) return status;
  return Value::String(std::move(text));
}

Machine::Result Machine::MakeNamespace(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const auto entries, EntriesOf(meter_, arguments));
  auto fields = std::make_unique<Fields>(Fields::Kind::kNamespace);
  TEMPER_RETURN_IF_ERROR(meter_.Steps(kStepsPerPart * static_cast<int64_t>(entries.size())));
  for (const auto& [key, value] : entries) {
    if (key.text() == nullptr || key.text()->bytes().starts_with('_')) {
      return absl::InvalidArgumentError("namespace: names are strings that do not begin with _");
    }
    fields->named.Set(key, value);
  }
  TEMPER_ASSIGN_OR_RETURN(Fields* const kept, Keep(std::move(fields)));
  return Value::Of(kept);
}

Machine::Result Machine::MakeCycler(const Arguments& arguments) {
  if (arguments.positional.empty()) {
    return absl::InvalidArgumentError("cycler: at least one item has to be provided");
  }
  auto fields = std::make_unique<Fields>(Fields::Kind::kCycler);
  fields->items = arguments.positional;
  TEMPER_ASSIGN_OR_RETURN(Fields* const kept, Keep(std::move(fields)));
  return Value::Of(kept);
}

Machine::Result Machine::MakeJoiner(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("joiner", arguments, {"sep"}));
  auto fields = std::make_unique<Fields>(Fields::Kind::kJoiner);
  fields->items = {bound.has(0) ? bound[0] : Value::String(", ")};
  TEMPER_ASSIGN_OR_RETURN(Fields* const kept, Keep(std::move(fields)));
  return Value::Of(kept);
}

Machine::Result Machine::FormatNow(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("strftime_now", arguments, {"format"}, 1));
  TEMPER_ASSIGN_OR_RETURN(const Text format, bound.String(0, ""));
  if (format.size() > kTimeFormatMax) {
    return absl::InvalidArgumentError(
        Words("strftime_now: format: expected at most ", kTimeFormatMax, " bytes"));
  }
  const std::tm time = absl::ToTM(*now_, absl::LocalTimeZone());
  char formatted[4096];
  const size_t bytes = std::strftime(formatted, sizeof(formatted), format.bytes().c_str(), &time);
  return Value::String(format.Changed(std::string(formatted, bytes)));
}

Machine::Result Machine::CallFunction(std::string_view name, const Arguments& arguments) {
  if (name == "range") return MakeRange(meter_, arguments);
  if (name == "namespace") return MakeNamespace(arguments);
  if (name == "cycler") return MakeCycler(arguments);
  if (name == "joiner") return MakeJoiner(arguments);
  if (name == "strftime_now") return FormatNow(arguments);
  if (name == "raise_exception") return RaiseException(arguments);
  TEMPER_ASSIGN_OR_RETURN(auto entries, EntriesOf(meter_, arguments));
  return MakeDict(meter_, std::move(entries));
}

}  // namespace temper::model::jinja
