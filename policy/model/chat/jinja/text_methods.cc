// The methods of strings.
#include <algorithm>
#include <functional>

#include "absl/container/flat_hash_map.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/arguments.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/format.h"
#include "policy/model/chat/jinja/methods.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/text_edit.h"
#include "policy/model/chat/jinja/unicode.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

// A method under way.
struct Call {
  Meter& meter;
  const Text& text;
  std::string_view name;
  const Arguments& arguments;

  const std::string& bytes() const { return text.bytes(); }
  absl::StatusOr<Bound> Bind(std::initializer_list<std::string_view> names,
                             size_t required = 0) const {
    return Bound::Make(name, arguments, names, required);
  }
};
using Result = absl::StatusOr<Value>;

// For searches from the right and for sets of characters, which may look at all of `part` at every
// place.
absl::Status PayForSearch(const Call& call, size_t part) {
  const size_t pieces = 1 + call.text.size() / kBytesPerStep;
  return call.meter.Steps(static_cast<int64_t>(pieces * (1 + part / kBytesPerStep)));
}

Result ListOf(Meter& meter, std::vector<Text> parts, Sequence::Kind kind = Sequence::Kind::kList) {
  std::vector<Value> items;
  for (Text& part : parts) {
    TEMPER_ASSIGN_OR_RETURN(Value item, MakeText(meter, std::move(part)));
    items.push_back(std::move(item));
  }
  return MakeSequence(meter, std::move(items), kind);
}

Result StripMethod(const Call& call) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, call.Bind({"chars"}));
  const Side side = call.name == "strip"    ? Side::kBoth
                    : call.name == "lstrip" ? Side::kLeft
                                            : Side::kRight;
  if (bound[0].is_none()) return MakeText(call.meter, Strip(call.text, side, nullptr));
  TEMPER_ASSIGN_OR_RETURN(const Text chars, bound.String(0, ""));
  TEMPER_RETURN_IF_ERROR(PayForSearch(call, chars.size() * 8));
  return MakeText(call.meter, Strip(call.text, side, &chars.bytes()));
}

Result SplitMethod(const Call& call) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, call.Bind({"sep", "maxsplit"}));
  TEMPER_ASSIGN_OR_RETURN(const int64_t splits_max, bound.Integer(1, -1));
  const bool from_right = call.name == "rsplit";
  if (bound[0].is_none()) {
    TEMPER_ASSIGN_OR_RETURN(std::vector<Text> words,
                            Split(call.meter, call.text, nullptr, splits_max, from_right));
    return ListOf(call.meter, std::move(words));
  }
  TEMPER_ASSIGN_OR_RETURN(const Text separator, bound.String(0, ""));
  if (separator.empty()) return absl::InvalidArgumentError("split: the separator is empty");
  TEMPER_RETURN_IF_ERROR(PayForSearch(call, separator.size()));
  TEMPER_ASSIGN_OR_RETURN(std::vector<Text> parts,
                          Split(call.meter, call.text, &separator.bytes(), splits_max, from_right));
  return ListOf(call.meter, std::move(parts));
}

Result SplitLinesMethod(const Call& call) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, call.Bind({"keepends"}));
  TEMPER_ASSIGN_OR_RETURN(std::vector<Text> lines,
                          SplitLines(call.meter, call.text, bound.Flag(0, false)));
  return ListOf(call.meter, std::move(lines));
}

Result PartitionMethod(const Call& call) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, call.Bind({"sep"}, 1));
  TEMPER_ASSIGN_OR_RETURN(const Text separator, bound.String(0, ""));
  if (separator.empty()) return absl::InvalidArgumentError("partition: the separator is empty");
  TEMPER_RETURN_IF_ERROR(PayForSearch(call, separator.size()));
  const bool right = call.name == "rpartition";
  const size_t found =
      right ? call.bytes().rfind(separator.bytes()) : FindText(call.bytes(), separator.bytes());
  std::vector<Text> parts;
  if (found == std::string::npos) {
    parts = {call.text, Text(), Text()};
    if (right) std::ranges::reverse(parts);
  } else {
    const size_t after = found + separator.size();
    parts = {call.text.Slice(0, found), call.text.Slice(found, after),
             call.text.Slice(after, call.text.size())};
  }
  return ListOf(call.meter, std::move(parts), Sequence::Kind::kTuple);
}

// The part between the optional arguments number 1 and 2, in bytes; false when it is none.
absl::StatusOr<bool> PartOf(const Call& call, const Bound& bound, Span& part) {
  if (bound[1].is_none() && bound[2].is_none()) {
    part = {0, call.text.size()};
    return true;
  }
  TEMPER_RETURN_IF_ERROR(
      call.meter.Steps(static_cast<int64_t>(call.text.size() / kCharactersPerStep)));
  const int64_t size = CountCharacters(call.bytes());
  TEMPER_ASSIGN_OR_RETURN(int64_t begin,
                          bound[1].is_none() ? absl::StatusOr<int64_t>(0) : bound.Integer(1, 0));
  TEMPER_ASSIGN_OR_RETURN(
      int64_t end, bound[2].is_none() ? absl::StatusOr<int64_t>(size) : bound.Integer(2, size));
  if (begin < 0) begin = std::max<int64_t>(0, begin + size);
  end = std::min(end < 0 ? std::max<int64_t>(0, end + size) : end, size);
  if (begin > end || begin > size) return false;
  part = {OffsetOf(call.bytes(), begin), OffsetOf(call.bytes(), end)};
  return true;
}

// startswith and endswith: of a string, or of any in a tuple.
Result EdgeMethod(const Call& call) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, call.Bind({"prefix", "start", "end"}, 1));
  Span part;
  TEMPER_ASSIGN_OR_RETURN(const bool any, PartOf(call, bound, part));
  const std::string_view text =
      std::string_view(call.bytes()).substr(part.begin, part.end - part.begin);
  std::vector<Value> wanted = {bound[0]};
  const Sequence* tuple = bound[0].sequence();
  if (tuple != nullptr && tuple->kind == Sequence::Kind::kTuple) wanted = tuple->items;
  for (const Value& item : wanted) {
    if (item.text() == nullptr) {
      if (item.is_undefined()) return item.WhyUndefined();
      return absl::InvalidArgumentError(Words(call.name, ": found a value of type ", TypeName(item),
                                              ", expected a string or a tuple of strings"));
    }
    const std::string& edge = item.text()->bytes();
    TEMPER_RETURN_IF_ERROR(call.meter.Steps(static_cast<int64_t>(edge.size() / kBytesPerStep)));
    if (any && (call.name == "startswith" ? text.starts_with(edge) : text.ends_with(edge))) {
      return Value::Bool(true);
    }
  }
  return Value::Bool(false);
}

// find, rfind, index, rindex, count.
Result SearchMethod(const Call& call) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, call.Bind({"sub", "start", "end"}, 1));
  TEMPER_ASSIGN_OR_RETURN(const Text wanted, bound.String(0, ""));
  Span part;
  TEMPER_ASSIGN_OR_RETURN(const bool any, PartOf(call, bound, part));
  TEMPER_RETURN_IF_ERROR(PayForSearch(call, wanted.size()));
  const std::string_view text =
      std::string_view(call.bytes()).substr(part.begin, part.end - part.begin);
  if (call.name == "count") {
    if (!any) return Value::Int(0);
    TEMPER_RETURN_IF_ERROR(
        call.meter.Steps(static_cast<int64_t>(text.size() / kCharactersPerStep)));
    if (wanted.empty()) return Value::Int(CountCharacters(text) + 1);
    int64_t count = 0;
    for (size_t at = FindText(text, wanted.bytes()); at != std::string_view::npos;
         at = FindText(text, wanted.bytes(), at + wanted.size())) {
      ++count;
    }
    return Value::Int(count);
  }
  const bool right = call.name.starts_with('r');
  const size_t found = !any    ? std::string_view::npos
                       : right ? text.rfind(wanted.bytes())
                               : FindText(text, wanted.bytes());
  if (found != std::string_view::npos) {
    const std::string_view before = std::string_view(call.bytes()).substr(0, part.begin + found);
    TEMPER_RETURN_IF_ERROR(
        call.meter.Steps(static_cast<int64_t>(before.size() / kCharactersPerStep)));
    return Value::Int(CountCharacters(before));
  }
  if (call.name.ends_with("index")) return absl::InvalidArgumentError("index: substring not found");
  return Value::Int(-1);
}

Result ReplaceMethod(const Call& call) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, call.Bind({"old", "new", "count"}, 2));
  TEMPER_ASSIGN_OR_RETURN(const Text from, bound.String(0, ""));
  TEMPER_ASSIGN_OR_RETURN(const Text to, bound.String(1, ""));
  TEMPER_ASSIGN_OR_RETURN(const int64_t count, bound.Integer(2, -1));
  TEMPER_ASSIGN_OR_RETURN(Text result, Replace(call.meter, call.text, from, to, count));
  return Value::String(std::move(result));
}

Result RemoveMethod(const Call& call) {
  const bool prefix = call.name == "removeprefix";
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, call.Bind({prefix ? "prefix" : "suffix"}, 1));
  TEMPER_ASSIGN_OR_RETURN(const Text edge, bound.String(0, ""));
  const size_t size = call.text.size();
  if (prefix && call.bytes().starts_with(edge.bytes())) {
    return Value::String(call.text.Slice(edge.size(), size));
  }
  if (!prefix && call.bytes().ends_with(edge.bytes())) {
    return Value::String(call.text.Slice(0, size - edge.size()));
  }
  return Value::String(call.text);
}

Result JoinMethod(const Call& call) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, call.Bind({"iterable"}, 1));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Value> items, Items(call.meter, bound[0]));
  std::vector<Text> parts;
  for (const Value& item : items) {
    if (item.text() == nullptr) {
      return absl::InvalidArgumentError(
          Words("join: item ", parts.size(), ": found a ", TypeName(item), ", expected a string"));
    }
    parts.push_back(*item.text());
  }
  TEMPER_ASSIGN_OR_RETURN(Text joined, Join(call.meter, call.text, parts));
  return Value::String(std::move(joined));
}

// str.title(): a letter after anything that is none begins a word.
std::string Titled(std::string_view text) {
  std::string result;
  bool inside = false;
  size_t begin = 0;
  const auto flush = [&](size_t end) {
    result += inside ? Capitalized(text.substr(begin, end - begin))
                     : std::string(text.substr(begin, end - begin));
    begin = end;
  };
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text, at);
    const bool cased = HasLowerCase(c.code) || HasUpperCase(c.code);
    if (cased != inside) flush(at);
    inside = cased;
    at += c.bytes;
  }
  flush(text.size());
  return result;
}

std::string SwappedCase(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text, at);
    const std::string_view one = text.substr(at, c.bytes);
    result += HasLowerCase(c.code) ? Lower(one) : Upper(one);
    at += c.bytes;
  }
  return result;
}

Result CaseMethod(const Call& call) {
  TEMPER_RETURN_IF_ERROR(call.Bind({}).status());
  TEMPER_RETURN_IF_ERROR(call.meter.Steps(static_cast<int64_t>(call.text.size())));
  const std::string& in = call.bytes();
  std::string out = call.name == "upper"        ? Upper(in)
                    : call.name == "lower"      ? Lower(in)
                    : call.name == "capitalize" ? Capitalized(in)
                    : call.name == "title"      ? Titled(in)
                                                : SwappedCase(in);
  return MakeText(call.meter, call.text.Changed(std::move(out)));
}

// isupper and islower: some letter, and none of the other case.
bool IsCase(std::string_view text, bool upper) {
  bool some = false;
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text, at);
    if (upper ? HasUpperCase(c.code) : HasLowerCase(c.code)) return false;
    some = some || (upper ? HasLowerCase(c.code) : HasUpperCase(c.code));
    at += c.bytes;
  }
  return some;
}

Result ClassMethod(const Call& call) {
  TEMPER_RETURN_IF_ERROR(call.Bind({}).status());
  TEMPER_RETURN_IF_ERROR(call.meter.Steps(static_cast<int64_t>(call.text.size())));
  const std::string& in = call.bytes();
  if (call.name == "isupper" || call.name == "islower") {
    return Value::Bool(IsCase(in, call.name == "isupper"));
  }
  const auto all = [&](const std::function<bool(char32_t)>& holds, bool when_empty) {
    for (size_t at = 0; at < in.size();) {
      const Character c = CharacterAt(in, at);
      if (!holds(c.code)) return Value::Bool(false);
      at += c.bytes;
    }
    return Value::Bool(when_empty || !in.empty());
  };
  if (call.name == "isascii") return all([](char32_t c) { return c < 0x80; }, true);
  if (call.name == "isprintable") return all(IsPrintable, true);
  if (call.name == "isspace") return all(IsSpace, false);
  if (call.name == "isalpha") return all(IsAlpha, false);
  if (call.name == "isalnum") {
    return all([](char32_t c) { return IsAlpha(c) || IsNumeric(c); }, false);
  }
  if (call.name == "isnumeric") return all(IsNumeric, false);
  return all(IsDecimal, false);  // isdecimal, isdigit
}

// center, ljust, rjust with spaces, and zfill.
Result PadMethod(const Call& call) {
  TEMPER_ASSIGN_OR_RETURN(const Bound bound, call.Bind({"width", "fillchar"}, 1));
  TEMPER_ASSIGN_OR_RETURN(const int64_t width, bound.Integer(0, 0));
  TEMPER_ASSIGN_OR_RETURN(const Text fill, bound.String(1, call.name == "zfill" ? "0" : " "));
  if (CountCharacters(fill.bytes()) != 1) {
    return absl::InvalidArgumentError("fillchar: expected one character");
  }
  const int64_t missing = width - static_cast<int64_t>(CountCharacters(call.bytes()));
  if (missing <= 0) return Value::String(call.text);
  const int64_t left = call.name == "ljust"    ? 0
                       : call.name == "center" ? missing / 2 + (missing & width & 1)
                                               : missing;
  TEMPER_ASSIGN_OR_RETURN(const Value before, RepeatText(call.meter, fill, left));
  TEMPER_ASSIGN_OR_RETURN(const Value after, RepeatText(call.meter, fill, missing - left));
  const bool sign = call.name == "zfill" && !call.text.empty() &&
                    (call.bytes()[0] == '-' || call.bytes()[0] == '+');
  Text padded = call.text.Slice(0, sign ? 1 : 0);
  padded.Append(*before.text());
  padded.Append(call.text.Slice(sign ? 1 : 0, call.text.size()));
  padded.Append(*after.text());
  return MakeText(call.meter, std::move(padded));
}

Result FormatMethod(const Call& call) {
  return FormatBraces(call.meter, call.text, call.arguments);
}

using Function = Result (*)(const Call&);

const absl::flat_hash_map<std::string_view, Function>& Functions() {
  static const auto& functions = *new absl::flat_hash_map<std::string_view, Function>{
      {"strip", StripMethod},         {"lstrip", StripMethod},
      {"rstrip", StripMethod},        {"split", SplitMethod},
      {"rsplit", SplitMethod},        {"splitlines", SplitLinesMethod},
      {"partition", PartitionMethod}, {"rpartition", PartitionMethod},
      {"startswith", EdgeMethod},     {"endswith", EdgeMethod},
      {"find", SearchMethod},         {"rfind", SearchMethod},
      {"index", SearchMethod},        {"rindex", SearchMethod},
      {"count", SearchMethod},        {"replace", ReplaceMethod},
      {"removeprefix", RemoveMethod}, {"removesuffix", RemoveMethod},
      {"join", JoinMethod},           {"upper", CaseMethod},
      {"lower", CaseMethod},          {"capitalize", CaseMethod},
      {"title", CaseMethod},          {"swapcase", CaseMethod},
      {"isupper", ClassMethod},       {"islower", ClassMethod},
      {"isascii", ClassMethod},       {"isprintable", ClassMethod},
      {"isspace", ClassMethod},       {"isalpha", ClassMethod},
      {"isalnum", ClassMethod},       {"isdigit", ClassMethod},
      {"isdecimal", ClassMethod},     {"isnumeric", ClassMethod},
      {"center", PadMethod},          {"ljust", PadMethod},
      {"rjust", PadMethod},           {"zfill", PadMethod},
      {"format", FormatMethod}};
  return functions;
}

}  // namespace

absl::StatusOr<Value> CallTextMethod(Meter& meter, const Text& text, std::string_view name,
                                     const Arguments& arguments) {
  TEMPER_RETURN_IF_ERROR(meter.Steps(1 + static_cast<int64_t>(text.size() / kBytesPerStep)));
  const auto function = Functions().find(name);
  if (function == Functions().end()) {
    return absl::UnimplementedError(Words("the method ", name, " of str is not supported"));
  }
  constexpr std::string_view kTakeNames[] = {"format", "split", "rsplit", "splitlines"};
  if (std::ranges::find(kTakeNames, name) == std::end(kTakeNames)) {
    TEMPER_RETURN_IF_ERROR(CheckNameless(name, arguments));
  }
  return function->second({meter, text, name, arguments});
}

}  // namespace temper::model::jinja
