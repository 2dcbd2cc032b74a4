// Finds filters and tests; the tests themselves.
#include "policy/model/chat/jinja/filters.h"

#include "absl/container/flat_hash_map.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/arguments.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/python_text.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

using Result = absl::StatusOr<bool>;
using In = const Value&;
using Args = const Arguments&;

// A test of the value alone.
template <bool (*kHolds)(In)>
Result Plain(Meter& meter, In input, Args arguments) {
  TEMPER_RETURN_IF_ERROR(Bound::Make("test", arguments, {}).status());
  return kHolds(input);
}

bool IsDefined(In value) { return !value.is_undefined(); }
bool IsUndefined(In value) { return value.is_undefined(); }
bool IsNone(In value) { return value.is_none(); }
bool IsBoolean(In value) { return value.boolean() != nullptr; }
bool IsTrue(In value) { return value.boolean() != nullptr && *value.boolean(); }
bool IsFalse(In value) { return value.boolean() != nullptr && !*value.boolean(); }
bool IsInteger(In value) { return value.integer() != nullptr; }
bool IsFloat(In value) { return value.real() != nullptr; }
bool IsNumber(In value) { return value.boolean() || value.integer() || value.real(); }
bool IsString(In value) { return value.text() != nullptr; }
bool IsMapping(In value) { return value.dict() != nullptr; }
bool IsSequence(In value) {
  return value.text() || value.dict() || value.is_undefined() ||
         (value.sequence() && value.sequence()->indexable());
}
bool IsIterable(In value) {
  return value.text() || value.dict() || value.sequence() || value.is_undefined() ||
         (value.fields() && value.fields()->kind == Fields::Kind::kLoop);
}
bool IsCallable(In value) {
  return value.callable() || value.is_undefined() ||
         (value.fields() && (value.fields()->kind == Fields::Kind::kJoiner ||
                             value.fields()->kind == Fields::Kind::kLoop));
}
bool IsFilterName(In value) { return value.text() && FindFilter(value.text()->bytes()); }
bool IsTestName(In value) { return value.text() && FindTest(value.text()->bytes()); }
bool Never(In) { return false; }

// A comparison with the one argument; the sign is what messages say.
template <char kFirst, char kSecond>
Result Compared(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("test", arguments, {"other"}, 1));
  const char sign[] = {kFirst, kSecond, '\0'};
  return Compare(meter, sign, input, bound[0]);
}

Result IsIn(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("in", arguments, {"seq"}, 1));
  return Contains(meter, bound[0], input);
}

Result IsSame(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("sameas", arguments, {"other"}, 1));
  return TypeName(input) == TypeName(bound[0]) && Equal(input, bound[0]);
}

absl::StatusOr<bool> HasRest(Meter& meter, In input, In divisor, int64_t rest) {
  TEMPER_ASSIGN_OR_RETURN(const Value found, Calculate(meter, "%", input, divisor));
  return Equal(found, Value::Int(rest));
}

Result IsOdd(Meter& meter, In input, Args arguments) {
  return HasRest(meter, input, Value::Int(2), 1);
}
Result IsEven(Meter& meter, In input, Args arguments) {
  return HasRest(meter, input, Value::Int(2), 0);
}
Result IsDivisible(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("divisibleby", arguments, {"num"}, 1));
  return HasRest(meter, input, bound[0], 0);
}

absl::StatusOr<bool> IsCase(Meter& meter, In input, std::string_view method) {
  TEMPER_ASSIGN_OR_RETURN(Text text, ToText(meter, input));
  const Value shown = Value::String(std::move(text));
  TEMPER_ASSIGN_OR_RETURN(const Value holds,
                          CallFilter(meter, method == "islower" ? "lower" : "upper", shown, {}));
  TEMPER_ASSIGN_OR_RETURN(const Value other,
                          CallFilter(meter, method == "islower" ? "upper" : "lower", shown, {}));
  return Equal(shown, holds) && !Equal(shown, other);
}
Result IsLower(Meter& meter, In input, Args arguments) { return IsCase(meter, input, "islower"); }
Result IsUpper(Meter& meter, In input, Args arguments) { return IsCase(meter, input, "isupper"); }

}  // namespace

Test FindTest(std::string_view name) {
  static const auto& tests =
      *new absl::flat_hash_map<std::string_view, Test>{{"defined", Plain<IsDefined>},
                                                       {"undefined", Plain<IsUndefined>},
                                                       {"none", Plain<IsNone>},
                                                       {"boolean", Plain<IsBoolean>},
                                                       {"true", Plain<IsTrue>},
                                                       {"false", Plain<IsFalse>},
                                                       {"integer", Plain<IsInteger>},
                                                       {"float", Plain<IsFloat>},
                                                       {"number", Plain<IsNumber>},
                                                       {"string", Plain<IsString>},
                                                       {"mapping", Plain<IsMapping>},
                                                       {"sequence", Plain<IsSequence>},
                                                       {"iterable", Plain<IsIterable>},
                                                       {"callable", Plain<IsCallable>},
                                                       {"filter", Plain<IsFilterName>},
                                                       {"test", Plain<IsTestName>},
                                                       {"escaped", Plain<Never>},
                                                       {"eq", Compared<'=', '='>},
                                                       {"==", Compared<'=', '='>},
                                                       {"equalto", Compared<'=', '='>},
                                                       {"ne", Compared<'!', '='>},
                                                       {"!=", Compared<'!', '='>},
                                                       {"lt", Compared<'<', '\0'>},
                                                       {"<", Compared<'<', '\0'>},
                                                       {"lessthan", Compared<'<', '\0'>},
                                                       {"le", Compared<'<', '='>},
                                                       {"<=", Compared<'<', '='>},
                                                       {"gt", Compared<'>', '\0'>},
                                                       {">", Compared<'>', '\0'>},
                                                       {"greaterthan", Compared<'>', '\0'>},
                                                       {"ge", Compared<'>', '='>},
                                                       {">=", Compared<'>', '='>},
                                                       {"in", IsIn},
                                                       {"sameas", IsSame},
                                                       {"odd", IsOdd},
                                                       {"even", IsEven},
                                                       {"divisibleby", IsDivisible},
                                                       {"lower", IsLower},
                                                       {"upper", IsUpper}};
  const auto found = tests.find(name);
  return found == tests.end() ? nullptr : found->second;
}

Filter FindFilter(std::string_view name) {
  for (const auto find : {FindTextFilter, FindOrderFilter}) {
    if (const Filter filter = find(name); filter != nullptr) return filter;
  }
  return FindListFilter(name);
}

absl::StatusOr<Value> CallFilter(Meter& meter, std::string_view name, const Value& input,
                                 const Arguments& arguments) {
  Meter::Level level(meter);
  TEMPER_RETURN_IF_ERROR(level.Enter());
  const Filter filter = FindFilter(name);
  if (filter == nullptr) {
    return absl::UnimplementedError(Words("there is no filter named ", name));
  }
  return filter(meter, input, arguments);
}

absl::StatusOr<bool> CallTest(Meter& meter, std::string_view name, const Value& input,
                              const Arguments& arguments) {
  Meter::Level level(meter);
  TEMPER_RETURN_IF_ERROR(level.Enter());
  const Test test = FindTest(name);
  if (test == nullptr) {
    return absl::UnimplementedError(Words("there is no test named ", name));
  }
  return test(meter, input, arguments);
}

}  // namespace temper::model::jinja
