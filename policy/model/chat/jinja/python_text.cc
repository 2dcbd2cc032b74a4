// Writes values piece by piece into one text, so that marks and limits hold.
#include "policy/model/chat/jinja/python_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/unicode.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

constexpr int kCharged = 1 << 10;  // bytes between two looks at the meter

// Appends to a text and pays for it.
class Writer {
 public:
  explicit Writer(Meter& meter) : meter_(meter) {}

  absl::Status Add(std::string_view bytes) {
    text_.Append(bytes);
    return Pay();
  }
  absl::Status Add(std::string_view bytes, const Text& source) {
    text_.Append(bytes, source);
    return Pay();
  }
  Meter& meter() { return meter_; }
  Text Take() { return std::move(text_); }

 private:
  absl::Status Pay() {
    if (text_.size() < paid_ + kCharged) return absl::OkStatus();
    TEMPER_RETURN_IF_ERROR(
        meter_.Steps(static_cast<int64_t>((text_.size() - paid_) / kBytesPerStep)));
    paid_ = text_.size();
    if (paid_ <= meter_.limits().text_bytes) return absl::OkStatus();
    return meter_.Text(paid_);
  }

  Meter& meter_;
  Text text_;
  size_t paid_ = 0;
};

std::string QuotedRepr(std::string_view text) {
  const bool single =
      text.find('\'') == std::string_view::npos || text.find('"') != std::string_view::npos;
  const char quote = single ? '\'' : '"';
  std::string repr(1, quote);
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text, at);
    if (c.code == '\\' || c.code == static_cast<char32_t>(quote)) {
      repr += '\\';
      repr += static_cast<char>(c.code);
    } else if (c.code == '\n') {
      repr += "\\n";
    } else if (c.code == '\r') {
      repr += "\\r";
    } else if (c.code == '\t') {
      repr += "\\t";
    } else if (IsPrintable(c.code)) {
      repr += text.substr(at, c.bytes);
    } else if (c.code < 0x100) {
      absl::StrAppendFormat(&repr, "\\x%02x", static_cast<uint32_t>(c.code));
    } else if (c.code < 0x10000) {
      absl::StrAppendFormat(&repr, "\\u%04x", static_cast<uint32_t>(c.code));
    } else {
      absl::StrAppendFormat(&repr, "\\U%08x", static_cast<uint32_t>(c.code));
    }
    at += c.bytes;
  }
  return repr + quote;
}

// What stands before and after the items of a sequence.
std::pair<std::string_view, std::string_view> Brackets(Sequence::Kind kind) {
  switch (kind) {
    case Sequence::Kind::kTuple:
      return {"(", ")"};
    case Sequence::Kind::kKeys:
      return {"dict_keys([", "])"};
    case Sequence::Kind::kValues:
      return {"dict_values([", "])"};
    case Sequence::Kind::kItems:
      return {"dict_items([", "])"};
    default:
      return {"[", "]"};
  }
}

absl::Status WriteRepr(Writer& out, const Value& value, int depth);

absl::Status WriteItems(Writer& out, const Sequence& sequence, int depth) {
  using Kind = Sequence::Kind;
  if (sequence.kind == Kind::kIterator) return out.Add("<generator>");
  if (sequence.kind == Kind::kRange) {
    const int64_t count = static_cast<int64_t>(sequence.items.size());
    const int64_t first = count > 0 ? *sequence.items[0].integer() : 0;
    const int64_t step = count > 1 ? *sequence.items[1].integer() - first : 1;
    const std::string by = step == 1 ? "" : Words(", ", step);
    return out.Add(Words("range(", first, ", ", first + count * step, by, ")"));
  }
  const auto [open, close] = Brackets(sequence.kind);
  TEMPER_RETURN_IF_ERROR(out.Add(open));
  for (size_t i = 0; i < sequence.items.size(); ++i) {
    if (i > 0) TEMPER_RETURN_IF_ERROR(out.Add(", "));
    TEMPER_RETURN_IF_ERROR(WriteRepr(out, sequence.items[i], depth));
  }
  const bool lone = sequence.kind == Kind::kTuple && sequence.items.size() == 1;
  return out.Add(lone ? ",)" : close);
}

absl::Status WriteEntries(Writer& out, const Dict& dict, int depth) {
  TEMPER_RETURN_IF_ERROR(out.Add("{"));
  for (size_t i = 0; i < dict.entries.size(); ++i) {
    if (i > 0) TEMPER_RETURN_IF_ERROR(out.Add(", "));
    TEMPER_RETURN_IF_ERROR(WriteRepr(out, dict.entries[i].first, depth));
    TEMPER_RETURN_IF_ERROR(out.Add(": "));
    TEMPER_RETURN_IF_ERROR(WriteRepr(out, dict.entries[i].second, depth));
  }
  return out.Add("}");
}

absl::Status WriteObject(Writer& out, const Value& value, int depth) {
  if (const Callable* callable = value.callable()) {
    const bool macro = callable->kind == Callable::Kind::kMacro;
    return out.Add(Words(macro ? "<Macro '" : "<function ", callable->name, macro ? "'>" : ">"));
  }
  const Fields& fields = *value.fields();
  if (fields.kind == Fields::Kind::kLoop) {
    return out.Add(Words("<LoopContext ", fields.at + 1, "/", fields.items.size(), ">"));
  }
  if (fields.kind != Fields::Kind::kNamespace) return out.Add(Words("<", TypeName(value), ">"));
  TEMPER_RETURN_IF_ERROR(out.Add("<Namespace "));
  TEMPER_RETURN_IF_ERROR(WriteEntries(out, fields.named, depth));
  return out.Add(">");
}

absl::Status WriteRepr(Writer& out, const Value& value, int depth) {
  // A namespace can hold itself.
  if (++depth > 2 * kNestingMax) {
    return absl::ResourceExhaustedError("a value is nested too deep to be written");
  }
  TEMPER_RETURN_IF_ERROR(out.meter().Steps(1));
  if (value.is_undefined()) return out.Add("Undefined");
  if (value.is_none()) return out.Add("None");
  if (const bool* boolean = value.boolean()) return out.Add(*boolean ? "True" : "False");
  if (const int64_t* integer = value.integer()) return out.Add(Words(*integer));
  if (const double* real = value.real()) return out.Add(FloatText(*real));
  if (const Text* text = value.text()) {
    // Characters that are not ASCII are looked up one by one.
    const auto wide = std::ranges::count_if(text->bytes(), [](char c) { return (c & 0x80) != 0; });
    TEMPER_RETURN_IF_ERROR(
        out.meter().Steps(static_cast<int64_t>(text->size() / kCharactersPerStep) + wide / 2));
    return out.Add(QuotedRepr(text->bytes()), *text);
  }
  if (const Sequence* sequence = value.sequence()) return WriteItems(out, *sequence, depth);
  if (const Dict* dict = value.dict()) return WriteEntries(out, *dict, depth);
  return WriteObject(out, value, depth);
}

void AppendHex4(uint32_t unit, std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  text += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) text += kDigits[unit >> shift & 0xf];
}

// Stops, whole or not, once it is longer than `bytes_max`.
std::string QuotedJson(std::string_view text, bool ascii, size_t bytes_max) {
  std::string json = "\"";
  for (size_t at = 0; at < text.size() && json.size() <= bytes_max;) {
    const Character c = CharacterAt(text, at);
    constexpr std::string_view kShort = "\"\\\n\r\t\f\b", kLetter = "\"\\nrtfb";
    const size_t known = c.code < 0x80 ? kShort.find(static_cast<char>(c.code)) : kShort.npos;
    if (known != kShort.npos) {
      json += '\\';
      json += kLetter[known];
    } else if (c.code < 0x20 || (ascii && c.code >= 0x7f && c.code < 0x10000)) {
      AppendHex4(c.code, json);
    } else if (ascii && c.code >= 0x10000) {
      AppendHex4(0xd800 + ((c.code - 0x10000) >> 10), json);
      AppendHex4(0xdc00 + ((c.code - 0x10000) & 0x3ff), json);
    } else {
      json += text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  return json + '"';
}

class JsonWriter {
 public:
  JsonWriter(Writer& out, const JsonStyle& style) : out_(out), style_(style) {}

  absl::Status Write(const Value& value) {
    TEMPER_RETURN_IF_ERROR(out_.meter().Steps(1));
    if (const Text* text = value.text()) return AddQuoted(*text);
    if (const Dict* dict = value.dict()) return Object(*dict);
    const Sequence* sequence = value.sequence();
    if (sequence != nullptr && sequence->kind <= Sequence::Kind::kTuple) return Array(*sequence);
    TEMPER_ASSIGN_OR_RETURN(const std::string scalar, Scalar(value));
    return out_.Add(scalar);
  }

 private:
  absl::Status AddQuoted(const Text& text) {
    Meter& meter = out_.meter();
    TEMPER_RETURN_IF_ERROR(meter.Steps(static_cast<int64_t>(text.size() / kCharactersPerStep)));
    return out_.Add(QuotedJson(text.bytes(), style_.ascii, meter.limits().text_bytes), text);
  }

  absl::StatusOr<std::string> Scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (const bool* boolean = value.boolean()) return *boolean ? "true" : "false";
    if (const int64_t* integer = value.integer()) return Words(*integer);
    if (const double* real = value.real()) {
      if (std::isnan(*real)) return "NaN";
      if (std::isinf(*real)) return *real > 0 ? "Infinity" : "-Infinity";
      return FloatText(*real);
    }
    return absl::InvalidArgumentError(
        Words("tojson: an object of type ", TypeName(value), " is not JSON serializable"));
  }

  absl::Status NewLine() {
    if (!style_.indent.has_value()) return absl::OkStatus();
    TEMPER_RETURN_IF_ERROR(out_.Add("\n"));
    for (int i = 0; i < level_; ++i) TEMPER_RETURN_IF_ERROR(out_.Add(*style_.indent));
    return absl::OkStatus();
  }

  absl::Status Between(size_t i) {
    if (i > 0) TEMPER_RETURN_IF_ERROR(out_.Add(style_.item_separator));
    return NewLine();
  }

  absl::Status Array(const Sequence& sequence) {
    if (sequence.items.empty()) return out_.Add("[]");
    TEMPER_RETURN_IF_ERROR(out_.Add("["));
    ++level_;
    for (size_t i = 0; i < sequence.items.size(); ++i) {
      TEMPER_RETURN_IF_ERROR(Between(i));
      TEMPER_RETURN_IF_ERROR(Write(sequence.items[i]));
    }
    --level_;
    TEMPER_RETURN_IF_ERROR(NewLine());
    return out_.Add("]");
  }

  absl::Status Object(const Dict& dict) {
    if (dict.entries.empty()) return out_.Add("{}");
    std::vector<std::pair<Value, Value>> sorted;
    if (style_.sorted) {
      TEMPER_ASSIGN_OR_RETURN(sorted, Sorted(dict));
    }
    TEMPER_RETURN_IF_ERROR(out_.Add("{"));
    ++level_;
    const auto& entries = style_.sorted ? sorted : dict.entries;
    for (size_t i = 0; i < entries.size(); ++i) {
      TEMPER_RETURN_IF_ERROR(Between(i));
      TEMPER_RETURN_IF_ERROR(Key(entries[i].first));
      TEMPER_RETURN_IF_ERROR(out_.Add(style_.key_separator));
      TEMPER_RETURN_IF_ERROR(Write(entries[i].second));
    }
    --level_;
    TEMPER_RETURN_IF_ERROR(NewLine());
    return out_.Add("}");
  }

  absl::Status Key(const Value& key) {
    if (const Text* text = key.text()) return AddQuoted(*text);
    TEMPER_ASSIGN_OR_RETURN(const std::string scalar, Scalar(key));
    return out_.Add(Words("\"", scalar, "\""));
  }

  static absl::StatusOr<std::vector<std::pair<Value, Value>>> Sorted(const Dict& dict) {
    std::vector<std::pair<Value, Value>> entries = dict.entries;
    absl::Status status;
    std::ranges::stable_sort(entries, [&](const auto& a, const auto& b) {
      const absl::StatusOr<int> order = Order(a.first, b.first, "<");
      if (!order.ok()) status = order.status();
      return order.ok() && *order == -1;
    });
    if (!status.ok()) return status;
    return entries;
  }

  Writer& out_;
  const JsonStyle& style_;
  int level_ = 0;
};

// Without what Python ignores around and inside the digits; empty when underscores stand wrong.
std::string BareNumber(std::string_view text) {
  size_t begin = 0, end = text.size();
  while (begin < end && IsSpace(static_cast<unsigned char>(text[begin]))) ++begin;
  while (end > begin && IsSpace(static_cast<unsigned char>(text[end - 1]))) --end;
  std::string bare;
  for (size_t i = begin; i < end; ++i) {
    if (text[i] != '_') {
      bare += text[i];
      continue;
    }
    const bool between = i > begin && i + 1 < end && absl::ascii_isalnum(text[i - 1]) &&
                         absl::ascii_isalnum(text[i + 1]);
    if (!between) return "";
  }
  return bare;
}

absl::StatusOr<Value> FromJsonAt(const nlohmann::ordered_json& json, Meter& meter, int depth) {
  if (depth > kNestingMax) {
    return absl::InvalidArgumentError(Words("nested deeper than ", kNestingMax, " levels"));
  }
  if (json.is_boolean()) return Value::Bool(json.get<bool>());
  if (json.is_string()) return Value::String(Text::FromInput(json.get<std::string>()));
  if (json.is_number_float()) return Value::Float(json.get<double>());
  if (json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX) {
    return absl::InvalidArgumentError(
        Words("found ", json.get<uint64_t>(), ", expected integers of at most 64 bits"));
  }
  if (json.is_number_integer()) return Value::Int(json.get<int64_t>());
  if (json.is_array()) {
    std::vector<Value> items;
    for (const auto& item : json) {
      TEMPER_ASSIGN_OR_RETURN(Value value, FromJsonAt(item, meter, depth + 1));
      items.push_back(std::move(value));
    }
    return MakeSequence(meter, std::move(items));
  }
  if (json.is_object()) {
    std::vector<std::pair<Value, Value>> entries;
    for (const auto& [key, item] : json.items()) {
      TEMPER_ASSIGN_OR_RETURN(Value value, FromJsonAt(item, meter, depth + 1));
      entries.emplace_back(Value::String(Text::FromInput(key)), std::move(value));
    }
    return MakeDict(meter, std::move(entries));
  }
  return Value();
}

}  // namespace

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char digits[32];
  const auto shortest =
      std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::scientific);
  const std::string_view text(digits, shortest.ptr - digits);
  const size_t e = text.find('e');
  int exponent = 0;
  const char* from = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(from, shortest.ptr, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);
  char plain[64];
  const auto fixed = std::to_chars(plain, plain + sizeof(plain), value, std::chars_format::fixed);
  std::string result(plain, fixed.ptr);
  if (result.find('.') == std::string::npos) result += ".0";
  return result;
}

absl::StatusOr<Text> ToText(Meter& meter, const Value& value) {
  if (const Text* text = value.text()) return *text;
  if (value.is_undefined()) return Text();
  return ToRepr(meter, value);
}

absl::StatusOr<Text> ToRepr(Meter& meter, const Value& value) {
  Writer out(meter);
  TEMPER_RETURN_IF_ERROR(WriteRepr(out, value, 0));
  return out.Take();
}

absl::StatusOr<Text> ToJson(Meter& meter, const Value& value, const JsonStyle& style) {
  Writer out(meter);
  TEMPER_RETURN_IF_ERROR(JsonWriter(out, style).Write(value));
  return out.Take();
}

absl::StatusOr<Value> FromJson(const nlohmann::ordered_json& json) {
  // What a caller gives is as large as it is; only what a template makes of it is counted.
  Meter unlimited({.steps = int64_t{1} << 60, .items = size_t{1} << 40});
  return FromJsonAt(json, unlimited, 0);
}

absl::StatusOr<std::optional<int64_t>> ParseInteger(std::string_view text, int base) {
  std::string digits = BareNumber(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  constexpr std::pair<int, char> kPrefixes[] = {{2, 'b'}, {8, 'o'}, {16, 'x'}};
  for (const auto& [radix, letter] : kPrefixes) {
    const bool prefixed =
        digits.size() > 2 && digits[0] == '0' && absl::ascii_tolower(digits[1]) == letter;
    if (!prefixed || (base != radix && base != 0)) continue;
    digits.erase(0, 2);
    base = radix;
    break;
  }
  if (base == 0) base = 10;
  if (digits.empty() || !absl::ascii_isalnum(digits[0]) || base < 2 || base > 36) {
    return std::optional<int64_t>();
  }
  if (negative) digits.insert(0, "-");
  int64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, number, base);
  if (stopped != end) return std::optional<int64_t>();
  if (error == std::errc::result_out_of_range) {
    return absl::InvalidArgumentError(Words("integer ", digits, " is beyond 64 bits"));
  }
  return std::optional<int64_t>(number);
}

std::optional<int64_t> ParseIndex(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  int64_t index = 0;
  for (const char c : text) {
    if (!absl::ascii_isdigit(c)) return std::nullopt;
    index = 10 * index + (c - '0');
  }
  return index;
}

std::optional<double> ParseReal(std::string_view text) {
  std::string digits = BareNumber(text);
  absl::AsciiStrToLower(&digits);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  if (digits.find_first_of("x(") != std::string::npos) return std::nullopt;
  double number = 0.0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, number);
  if (stopped != end) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too large is infinite, too small is zero; the exponent's sign tells.
    const size_t e = digits.find('e');
    number = e != std::string::npos && digits[e + 1] == '-' ? 0.0 : HUGE_VAL;
  }
  return negative ? -number : number;
}

}  // namespace temper::model::jinja
