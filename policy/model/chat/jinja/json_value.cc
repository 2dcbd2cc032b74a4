// JSON is written by a walk that pays as it goes; the marks of input go along.
#include "policy/model/chat/jinja/json_value.h"

#include <algorithm>
#include <cmath>

#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/numbers.h"
#include "policy/model/chat/jinja/text_writer.h"
#include "policy/model/chat/jinja/unicode.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

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
  JsonWriter(TextWriter& out, const JsonStyle& style) : out_(out), style_(style) {}

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

  TextWriter& out_;
  const JsonStyle& style_;
  int level_ = 0;
};

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

absl::StatusOr<Text> ToJson(Meter& meter, const Value& value, const JsonStyle& style) {
  TextWriter out(meter);
  TEMPER_RETURN_IF_ERROR(JsonWriter(out, style).Write(value));
  return out.Take();
}

absl::StatusOr<Value> FromJson(const nlohmann::ordered_json& json) {
  // What a caller gives is as large as it is; only what a template makes of it is counted.
  Meter unlimited({.steps = int64_t{1} << 60, .items = size_t{1} << 40});
  return FromJsonAt(json, unlimited, 0);
}

}  // namespace temper::model::jinja
