// Filters that make a text or a number of one value.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/container/flat_hash_map.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/arguments.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/filters.h"
#include "policy/model/chat/jinja/format.h"
#include "policy/model/chat/jinja/json_value.h"
#include "policy/model/chat/jinja/numbers.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/python_text.h"
#include "policy/model/chat/jinja/text_edit.h"
#include "policy/model/chat/jinja/unicode.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

using Result = absl::StatusOr<Value>;
using In = const Value&;
using Args = const Arguments&;

Result AsString(Meter& meter, In input, Args arguments) {
  TEMPER_RETURN_IF_ERROR(Bound::Make("string", arguments, {}).status());
  TEMPER_ASSIGN_OR_RETURN(Text text, ToText(meter, input));
  return MakeText(meter, std::move(text));
}

// upper, lower and capitalize differ in one function.
template <std::string (*kChange)(std::string_view)>
Result Changed(Meter& meter, In input, Args arguments) {
  TEMPER_RETURN_IF_ERROR(Bound::Make("filter", arguments, {}).status());
  TEMPER_ASSIGN_OR_RETURN(const Text text, ToText(meter, input));
  TEMPER_RETURN_IF_ERROR(meter.Steps(static_cast<int64_t>(text.size())));
  return MakeText(meter, text.Changed(kChange(text.bytes())));
}

// Words begin after white space and after - ( { [ <.
std::string TitleWords(std::string_view text) {
  std::string result;
  const auto between = [](char32_t code) {
    return IsSpace(code) || code == '-' || code == '(' || code == '{' || code == '[' || code == '<';
  };
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    const bool separator = between(CharacterAt(text, at).code);
    while (end < text.size() && between(CharacterAt(text, end).code) == separator) {
      end += CharacterAt(text, end).bytes;
    }
    const std::string_view part = text.substr(at, end - at);
    if (separator) {
      result += part;
    } else {
      const size_t first = CharacterAt(part, 0).bytes;
      result += Upper(part.substr(0, first)) + Lower(part.substr(first));
    }
    at = end;
  }
  return result;
}

std::string Escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    result += c == '&'    ? "&amp;"
              : c == '<'  ? "&lt;"
              : c == '>'  ? "&gt;"
              : c == '"'  ? "&#34;"
              : c == '\'' ? "&#39;"
                          : std::string(1, c);
  }
  return result;
}

Result Trim(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("trim", arguments, {"chars"}));
  TEMPER_ASSIGN_OR_RETURN(const Text text, ToText(meter, input));
  if (bound[0].is_none()) return MakeText(meter, Strip(text, Side::kBoth, nullptr));
  TEMPER_ASSIGN_OR_RETURN(const Text chars, bound.String(0, ""));
  TEMPER_RETURN_IF_ERROR(meter.Steps(
      static_cast<int64_t>((1 + text.size() / kBytesPerStep) * (1 + chars.size() / 8))));
  return MakeText(meter, Strip(text, Side::kBoth, &chars.bytes()));
}

Result ReplaceFilter(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound,
                          Bound::Make("replace", arguments, {"old", "new", "count"}, 2));
  TEMPER_ASSIGN_OR_RETURN(const Text text, ToText(meter, input));
  TEMPER_ASSIGN_OR_RETURN(const Text from, ToText(meter, bound[0]));
  TEMPER_ASSIGN_OR_RETURN(const Text to, ToText(meter, bound[1]));
  int64_t count = -1;
  if (!bound[2].is_none()) {
    TEMPER_ASSIGN_OR_RETURN(count, bound.Integer(2, -1));
  }
  TEMPER_ASSIGN_OR_RETURN(Text result, Replace(meter, text, from, to, count));
  return Value::String(std::move(result));
}

Result FormatFilter(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Text text, ToText(meter, input));
  if (!arguments.named.empty()) {
    if (!arguments.positional.empty()) {
      return absl::InvalidArgumentError("format: expected arguments of one kind");
    }
    std::vector<std::pair<Value, Value>> entries;
    for (const auto& [name, value] : arguments.named) {
      entries.emplace_back(Value::String(name), value);
    }
    TEMPER_ASSIGN_OR_RETURN(const Value values, MakeDict(meter, std::move(entries)));
    return FormatPercent(meter, text, values);
  }
  TEMPER_ASSIGN_OR_RETURN(const Value values,
                          MakeSequence(meter, arguments.positional, Sequence::Kind::kTuple));
  return FormatPercent(meter, text, values);
}

Result Indent(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound,
                          Bound::Make("indent", arguments, {"width", "first", "blank"}));
  if (input.is_undefined()) return input.WhyUndefined();
  if (input.text() == nullptr) return absl::InvalidArgumentError("indent: expected a string");
  Text by;
  if (bound[0].text() != nullptr) {
    by = *bound[0].text();
  } else {
    TEMPER_ASSIGN_OR_RETURN(const int64_t width, bound.Integer(0, 4));
    TEMPER_ASSIGN_OR_RETURN(const Value spaces, RepeatText(meter, Text(" "), width));
    by = *spaces.text();
  }
  const bool first = bound.Flag(1, false), blank = bound.Flag(2, false);
  Text source = *input.text();
  source.Append("\n");
  Text result;
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Text> lines, SplitLines(meter, source, false));
  for (size_t i = 0; i < lines.size(); ++i) {
    TEMPER_RETURN_IF_ERROR(meter.Steps(1 + static_cast<int64_t>(by.size() / kBytesPerStep)));
    if (i > 0) result.Append("\n");
    if (i == 0 ? first : blank || !lines[i].empty()) result.Append(by);
    result.Append(lines[i]);
    if (result.size() > meter.limits().text_bytes) break;
  }
  return MakeText(meter, std::move(result));
}

Result Center(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("center", arguments, {"width"}));
  TEMPER_ASSIGN_OR_RETURN(const int64_t width, bound.Integer(0, 80));
  TEMPER_ASSIGN_OR_RETURN(const Text text, ToText(meter, input));
  if (width > 0) TEMPER_RETURN_IF_ERROR(meter.Text(width));
  return Value::String(Centered(text, width));
}

Result Truncate(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("truncate", arguments,
                                                         {"length", "killwords", "end", "leeway"}));
  TEMPER_ASSIGN_OR_RETURN(const int64_t length, bound.Integer(0, 255));
  TEMPER_ASSIGN_OR_RETURN(const Text end, bound.String(2, "..."));
  TEMPER_ASSIGN_OR_RETURN(const int64_t leeway,
                          bound[3].is_none() ? absl::StatusOr<int64_t>(5) : bound.Integer(3, 5));
  TEMPER_ASSIGN_OR_RETURN(const Text text, ToText(meter, input));
  const int64_t kept = length - static_cast<int64_t>(CountCharacters(end.bytes()));
  if (kept < 0 || leeway < 0) {
    return absl::InvalidArgumentError("truncate: length: expected room for what stands at the end");
  }
  if (static_cast<int64_t>(CountCharacters(text.bytes())) - leeway <= length) {
    return Value::String(text);
  }
  Text result = text.Slice(0, OffsetOf(text.bytes(), kept));
  if (!bound.Flag(1, false)) {
    const size_t space = result.bytes().rfind(' ');
    if (space != std::string::npos) result = result.Slice(0, space);
  }
  result.Append(end);
  return MakeText(meter, std::move(result));
}

Result WordCount(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Text text, ToText(meter, input));
  TEMPER_RETURN_IF_ERROR(meter.Steps(static_cast<int64_t>(text.size())));
  return Value::Int(CountWords(text.bytes()));
}

absl::StatusOr<JsonStyle> StyleOf(Meter& meter, const Bound& bound) {
  JsonStyle style{.ascii = bound.Flag(0, false), .sorted = bound.Flag(3, false)};
  if (bound[1].text() != nullptr) {
    style.indent = bound[1].text()->bytes();
  } else if (!bound[1].is_none()) {
    TEMPER_ASSIGN_OR_RETURN(const int64_t width, bound.Integer(1, 0));
    TEMPER_ASSIGN_OR_RETURN(const Value spaces, RepeatText(meter, Text(" "), width));
    style.indent = spaces.text()->bytes();
  }
  if (style.indent.has_value()) style.item_separator = ",";
  if (!bound[2].is_none()) {
    const Sequence* pair = bound[2].sequence();
    const bool good = pair != nullptr && pair->items.size() == 2 && pair->items[0].text() &&
                      pair->items[1].text();
    if (!good) return absl::InvalidArgumentError("tojson: separators: expected two strings");
    style.item_separator = pair->items[0].text()->bytes();
    style.key_separator = pair->items[1].text()->bytes();
  }
  return style;
}

// As transformers has it: no HTML escapes, and the options of json.dumps.
Result ToJsonFilter(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(
      const Bound bound,
      Bound::Make("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  TEMPER_ASSIGN_OR_RETURN(const JsonStyle style, StyleOf(meter, bound));
  TEMPER_ASSIGN_OR_RETURN(Text json, ToJson(meter, input, style));
  return MakeText(meter, std::move(json));
}

absl::StatusOr<Value> WholeOf(double real, In otherwise) {
  if (std::isnan(real) || std::isinf(real)) return otherwise;
  if (std::fabs(real) >= 9.2e18) {
    return absl::OutOfRangeError(Words("int: ", real, " is beyond 64-bit integers"));
  }
  return Value::Int(static_cast<int64_t>(real));
}

Result ToInt(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("int", arguments, {"default", "base"}));
  if (input.is_undefined()) return input.WhyUndefined();
  const Value otherwise = bound.has(0) ? bound[0] : Value::Int(0);
  TEMPER_ASSIGN_OR_RETURN(const int64_t base, bound.Integer(1, 10));
  int64_t integer = 0;
  if (AsInteger(input, integer)) return Value::Int(integer);
  if (const double* real = input.real()) return WholeOf(*real, otherwise);
  if (input.text() == nullptr) return otherwise;
  TEMPER_ASSIGN_OR_RETURN(const std::optional<int64_t> whole,
                          ParseInteger(input.text()->bytes(), static_cast<int>(base)));
  if (whole.has_value()) return Value::Int(*whole);
  const std::optional<double> real = ParseReal(input.text()->bytes());
  return real.has_value() ? WholeOf(*real, otherwise) : otherwise;
}

Result ToFloat(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, Bound::Make("float", arguments, {"default"}));
  if (input.is_undefined()) return input.WhyUndefined();
  double real = 0.0;
  if (AsReal(input, real)) return Value::Float(real);
  const std::optional<double> read =
      input.text() == nullptr ? std::nullopt : ParseReal(input.text()->bytes());
  if (read.has_value()) return Value::Float(*read);
  return bound.has(0) ? bound[0] : Value::Float(0.0);
}

Result Absolute(Meter& meter, In input, Args arguments) {
  if (const double* real = input.real()) return Value::Float(std::fabs(*real));
  int64_t integer = 0;
  if (!AsInteger(input, integer)) {
    if (input.is_undefined()) return input.WhyUndefined();
    return absl::InvalidArgumentError(
        Words("abs: found a value of type ", TypeName(input), ", expected a number"));
  }
  return integer < 0 ? Negate(Value::Int(integer)) : Value::Int(integer);
}

// To `precision` decimal digits: half to even of the exact binary value, as Python rounds.
double RoundedTo(double real, int64_t precision) {
  if (!std::isfinite(real) || precision > 300) return real;
  if (precision >= 0) {
    char digits[700];
    std::snprintf(digits, sizeof(digits), "%.*f", static_cast<int>(precision), real);
    return std::strtod(digits, nullptr);
  }
  const double scale = std::pow(10.0, static_cast<double>(-precision));
  return std::isinf(scale) ? std::copysign(0.0, real) : std::nearbyint(real / scale) * scale;
}

Result Round(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound,
                          Bound::Make("round", arguments, {"precision", "method"}));
  TEMPER_ASSIGN_OR_RETURN(const int64_t precision, bound.Integer(0, 0));
  TEMPER_ASSIGN_OR_RETURN(const Text method, bound.String(1, "common"));
  if (input.is_undefined()) return input.WhyUndefined();
  double real = 0.0;
  if (!AsReal(input, real)) return absl::InvalidArgumentError("round: expected a number");
  const std::string& way = method.bytes();
  if (way == "common") {
    if (input.real() != nullptr) return Value::Float(RoundedTo(real, precision));
    int64_t integer = 0;
    AsInteger(input, integer);
    return precision >= 0 ? Value::Int(integer)
                          : WholeOf(RoundedTo(real, precision), Value::Int(0));
  }
  if (way != "ceil" && way != "floor") {
    return absl::InvalidArgumentError("round: method: expected common, ceil or floor");
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  return Value::Float((way == "ceil" ? std::ceil(real * scale) : std::floor(real * scale)) / scale);
}

Result Default(Meter& meter, In input, Args arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound,
                          Bound::Make("default", arguments, {"default_value", "boolean"}));
  const bool replaced = input.is_undefined() || (bound.Flag(1, false) && !Truth(input));
  if (!replaced) return input;
  return bound.has(0) ? bound[0] : Value::String("");
}

}  // namespace

Filter FindTextFilter(std::string_view name) {
  static const auto& filters =
      *new absl::flat_hash_map<std::string_view, Filter>{{"string", AsString},
                                                         {"safe", AsString},
                                                         {"upper", Changed<Upper>},
                                                         {"lower", Changed<Lower>},
                                                         {"capitalize", Changed<Capitalized>},
                                                         {"title", Changed<TitleWords>},
                                                         {"e", Changed<Escaped>},
                                                         {"escape", Changed<Escaped>},
                                                         {"forceescape", Changed<Escaped>},
                                                         {"trim", Trim},
                                                         {"replace", ReplaceFilter},
                                                         {"format", FormatFilter},
                                                         {"indent", Indent},
                                                         {"center", Center},
                                                         {"truncate", Truncate},
                                                         {"wordcount", WordCount},
                                                         {"tojson", ToJsonFilter},
                                                         {"int", ToInt},
                                                         {"float", ToFloat},
                                                         {"abs", Absolute},
                                                         {"round", Round},
                                                         {"default", Default},
                                                         {"d", Default}};
  const auto found = filters.find(name);
  return found == filters.end() ? nullptr : found->second;
}

}  // namespace temper::model::jinja
