// A recursive parser with a depth limit; each kind of value is one function.
#include "reward/code/literal.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace temper::reward {
namespace {

using Kind = Value::Kind;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void AppendUtf8(std::string& text, uint32_t code) {
  if (code < 0x80) {
    text.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    text.push_back(static_cast<char>(0xc0 | code >> 6));
    text.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else if (code < 0x10000) {
    text.push_back(static_cast<char>(0xe0 | code >> 12));
    text.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
    text.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    text.push_back(static_cast<char>(0xf0 | code >> 18));
    text.push_back(static_cast<char>(0x80 | (code >> 12 & 0x3f)));
    text.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
    text.push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<Value> Whole() {
    Value value;
    if (!Parse(value, 0) || at_ != text_.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("not a plain value at byte ", at_, " of ", text_.size()));
    }
    return value;
  }

 private:
  bool Take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool Parse(Value& value, int depth) {
    if (depth > kLiteralDepthMax || ++values_ > kLiteralValuesMax) return false;
    switch (Peek()) {
      case '[':
        value.kind = Kind::kList;
        return Take("[") && Items(value, ']', depth);
      case '(':
        value.kind = Kind::kTuple;
        return Take("(") && Tuple(value, depth);
      case '{':
        value.kind = Kind::kDict;
        return Take("{") && Pairs(value, depth);
      case '\'':
      case '"':
        value.kind = Kind::kString;
        return Quoted(value.text, /*bytes=*/false);
      case 'b':
        value.kind = Kind::kBytes;
        return Take("b") && (Peek() == '\'' || Peek() == '"') && Quoted(value.text, true);
      default:
        return Peek() == '-' || IsDigit(Peek()) ? Number(value) : Word(value, depth);
    }
  }

  bool Word(Value& value, int depth) {
    if (Take("None")) return true;
    for (const std::string_view word : {"True", "False"}) {
      if (!Take(word)) continue;
      value.kind = Kind::kBool;
      value.text = word;
      return true;
    }
    for (const std::string_view word : {"inf", "nan"}) {
      if (!Take(word)) continue;
      value.kind = Kind::kFloat;
      value.text = word;
      return true;
    }
    struct Call {
      std::string_view opening;
      Kind kind;
    };
    for (const Call& call : {Call{"set([", Kind::kSet}, Call{"frozenset([", Kind::kFrozenSet},
                             Call{"Iterator([", Kind::kIterator}}) {
      if (!Take(call.opening)) continue;
      value.kind = call.kind;
      return Items(value, ']', depth) && Take(")");
    }
    for (const Call& call : {Call{"complex(", Kind::kComplex}, Call{"range(", Kind::kRange},
                             Call{"Handle(", Kind::kHandle}}) {
      if (!Take(call.opening)) continue;
      value.kind = call.kind;
      return Items(value, ')', depth) && FitsCall(value);
    }
    return false;
  }

  static bool FitsCall(const Value& value) {
    const size_t count = value.kind == Kind::kRange ? 3 : value.kind == Kind::kComplex ? 2 : 1;
    const Kind kind = value.kind == Kind::kComplex ? Kind::kFloat : Kind::kInteger;
    if (value.items.size() != count) return false;
    for (const Value& item : value.items) {
      if (item.kind != kind) return false;
      if (value.kind == Kind::kHandle && item.text.starts_with('-')) return false;
    }
    // range() refuses a step of 0.
    return value.kind != Kind::kRange || value.items[2].text != "0";
  }

  // After the opening bracket; a comma may stand before the closing one.
  bool Items(Value& value, char close, int depth) {
    while (Peek() != close) {
      if (!Parse(value.items.emplace_back(), depth + 1)) return false;
      if (!Separator(close)) return false;
    }
    ++at_;
    return true;
  }

  // "(1)" is not a tuple.
  bool Tuple(Value& value, int depth) {
    const size_t begin = at_;
    if (!Items(value, ')', depth)) return false;
    if (value.items.size() != 1) return true;
    const std::string_view inside = text_.substr(begin, at_ - begin);
    return inside.ends_with(",)") || inside.ends_with(", )");
  }

  bool Pairs(Value& value, int depth) {
    while (Peek() != '}') {
      if (!Parse(value.items.emplace_back(), depth + 1) || !Take(": ")) return false;
      if (!Parse(value.items.emplace_back(), depth + 1) || !Separator('}')) return false;
    }
    ++at_;
    return true;
  }

  bool Separator(char close) {
    if (Peek() == close) return true;
    if (!Take(",")) return false;
    Take(" ");
    return true;
  }

  bool Digits() {
    const size_t begin = at_;
    while (IsDigit(Peek())) ++at_;
    return at_ > begin;
  }

  bool Number(Value& value) {
    const size_t begin = at_;
    Take("-");
    if (Take("inf")) {
      value.kind = Kind::kFloat;
      value.text = "-inf";
      return true;
    }
    const size_t digits = at_;
    if (!Digits()) return false;
    // Python refuses leading zeros.
    if (text_[digits] == '0' && at_ - digits > 1) return false;
    value.kind = Kind::kInteger;
    if (Take(".")) {
      value.kind = Kind::kFloat;
      if (!Digits()) return false;
    }
    if (Peek() == 'e') {
      value.kind = Kind::kFloat;
      ++at_;
      if (!Take("-")) Take("+");
      if (!Digits()) return false;
    }
    value.text = text_.substr(begin, at_ - begin);
    if (value.text.size() > kLiteralDigitsMax) return false;
    if (value.text == "-0") value.text = "0";
    return true;
  }

  bool Hexadecimal(int digits, uint32_t* code) {
    *code = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = Peek();
      const int digit = IsDigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
      if (digit < 0) return false;
      *code = *code << 4 | static_cast<uint32_t>(digit);
    }
    return true;
  }

  bool Escape(std::string& into, bool bytes) {
    constexpr std::string_view kFrom = "nrt\\'\"";
    constexpr std::string_view kTo = "\n\r\t\\'\"";
    const char c = Peek();
    ++at_;
    if (const size_t which = kFrom.find(c); which != kFrom.npos) {
      into.push_back(kTo[which]);
      return true;
    }
    uint32_t code;
    if (c == 'x') {
      if (!Hexadecimal(2, &code)) return false;
      bytes ? into.push_back(static_cast<char>(code)) : AppendUtf8(into, code);
      return true;
    }
    if (bytes || (c != 'u' && c != 'U')) return false;
    if (!Hexadecimal(c == 'u' ? 4 : 8, &code) || code > 0x10ffff) return false;
    AppendUtf8(into, code);
    return true;
  }

  bool Quoted(std::string& into, bool bytes) {
    const char quote = Peek();
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote) return true;
      if (c == '\\') {
        if (!Escape(into, bytes)) return false;
      } else if (c >= ' ' && c <= '~') {
        into.push_back(c);
      } else {
        return false;
      }
    }
    return false;
  }

  const std::string_view text_;
  size_t at_ = 0;
  size_t values_ = 0;
};

// Length and code of the UTF-8 character at the front; length 0 when there is none. A surrogate
// counts as one, see Value::text.
struct Character {
  size_t length = 0;
  uint32_t code = 0;
};

Character FirstCharacter(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, lead};
  const size_t length = lead >= 0xf0 && lead < 0xf5   ? 4
                        : lead >= 0xe0 && lead < 0xf0 ? 3
                        : lead >= 0xc2 && lead < 0xe0 ? 2
                                                      : 0;
  if (length == 0 || text.size() < length) return {};
  uint32_t code = lead & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3f);
  }
  const bool shortest = code >= (length == 4 ? 0x10000u : length == 3 ? 0x800u : 0x80u);
  return shortest && code <= 0x10ffff ? Character{length, code} : Character{};
}

void AppendEscaped(std::string& into, uint32_t code) {
  char escaped[16];
  if (code == '\'' || code == '\\') {
    std::snprintf(escaped, sizeof(escaped), "\\%c", static_cast<char>(code));
  } else if (code >= ' ' && code <= '~') {
    std::snprintf(escaped, sizeof(escaped), "%c", static_cast<char>(code));
  } else if (code < 0x100) {
    std::snprintf(escaped, sizeof(escaped), "\\x%02x", code);
  } else if (code < 0x10000) {
    std::snprintf(escaped, sizeof(escaped), "\\u%04x", code);
  } else {
    std::snprintf(escaped, sizeof(escaped), "\\U%08x", code);
  }
  into += escaped;
}

void Write(const Value& value, std::string& into);

void WriteItems(const Value& value, std::string_view open, std::string_view close,
                std::string& into) {
  into += open;
  for (const Value& item : value.items) {
    Write(item, into);
    into += ", ";
  }
  into += close;
}

void WriteDict(const Value& value, std::string& into) {
  into += "{";
  for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
    Write(value.items[i], into);
    into += ": ";
    Write(value.items[i + 1], into);
    into += ", ";
  }
  into += "}";
}

void Write(const Value& value, std::string& into) {
  switch (value.kind) {
    case Kind::kNone:
      into += "None";
      return;
    case Kind::kBool:
    case Kind::kInteger:
    case Kind::kFloat:
      into += value.text;
      return;
    case Kind::kString:
      into += StringLiteral(value.text);
      return;
    case Kind::kBytes:
      into += "b'";
      for (const char c : value.text) AppendEscaped(into, static_cast<unsigned char>(c));
      into += "'";
      return;
    case Kind::kList:
      return WriteItems(value, "[", "]", into);
    case Kind::kTuple:
      return WriteItems(value, "(", ")", into);
    case Kind::kDict:
      return WriteDict(value, into);
    case Kind::kSet:
      return WriteItems(value, "set([", "])", into);
    case Kind::kFrozenSet:
      return WriteItems(value, "frozenset([", "])", into);
    case Kind::kComplex:
      return WriteItems(value, "complex(", ")", into);
    case Kind::kRange:
      return WriteItems(value, "range(", ")", into);
    case Kind::kIterator:
      return WriteItems(value, "Iterator([", "])", into);
    case Kind::kHandle:
      return WriteItems(value, "Handle(", ")", into);
  }
}

}  // namespace

absl::StatusOr<Value> ParseLiteral(std::string_view text) { return Parser(text).Whole(); }

std::string WriteLiteral(const Value& value) {
  std::string text;
  Write(value, text);
  return text;
}

std::string StringLiteral(std::string_view utf8) {
  std::string text = "'";
  while (!utf8.empty()) {
    const Character character = FirstCharacter(utf8);
    AppendEscaped(text, character.length == 0 ? 0xfffd : character.code);
    utf8.remove_prefix(std::max<size_t>(character.length, 1));
  }
  return text + "'";
}

}  // namespace temper::reward
