// Writes values piece by piece into one text, so that marks and limits hold.
#include "policy/model/chat/jinja/python_text.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/numbers.h"
#include "policy/model/chat/jinja/text_writer.h"
#include "policy/model/chat/jinja/unicode.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

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

absl::Status WriteRepr(TextWriter& out, const Value& value, int depth);

absl::Status WriteItems(TextWriter& out, const Sequence& sequence, int depth) {
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

absl::Status WriteEntries(TextWriter& out, const Dict& dict, int depth) {
  TEMPER_RETURN_IF_ERROR(out.Add("{"));
  for (size_t i = 0; i < dict.entries.size(); ++i) {
    if (i > 0) TEMPER_RETURN_IF_ERROR(out.Add(", "));
    TEMPER_RETURN_IF_ERROR(WriteRepr(out, dict.entries[i].first, depth));
    TEMPER_RETURN_IF_ERROR(out.Add(": "));
    TEMPER_RETURN_IF_ERROR(WriteRepr(out, dict.entries[i].second, depth));
  }
  return out.Add("}");
}

absl::Status WriteObject(TextWriter& out, const Value& value, int depth) {
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

absl::Status WriteRepr(TextWriter& out, const Value& value, int depth) {
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

}  // namespace

absl::StatusOr<Text> ToText(Meter& meter, const Value& value) {
  if (const Text* text = value.text()) return *text;
  if (value.is_undefined()) return Text();
  return ToRepr(meter, value);
}

absl::StatusOr<Text> ToRepr(Meter& meter, const Value& value) {
  TextWriter out(meter);
  TEMPER_RETURN_IF_ERROR(WriteRepr(out, value, 0));
  return out.Take();
}

}  // namespace temper::model::jinja
