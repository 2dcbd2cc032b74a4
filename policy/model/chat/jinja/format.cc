// Both of Python's ways to format, as far as templates go.
#include "policy/model/chat/jinja/format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "absl/strings/ascii.h"
#include "base/status_macros.h"
#include "policy/model/chat/jinja/compare.h"
#include "policy/model/chat/jinja/numbers.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/python_text.h"
#include "policy/model/chat/jinja/unicode.h"
#include "policy/model/chat/jinja/words.h"

namespace temper::model::jinja {
namespace {

constexpr int kWidthMax = 10'000;
constexpr int kPrecisionMax = 100;

// How one value is laid out.
struct Layout {
  char align = '\0';  // < > ^ or, after the sign, =
  std::string fill = " ";
  bool plus = false, blank = false, alternate = false, commas = false;
  int width = 0;
  int precision = -1;
  char type = 's';
};

absl::Status Wrong(std::string_view what) {
  return absl::InvalidArgumentError(Words("format: ", what));
}

Text Padded(const Text& text, size_t sign_bytes, const Layout& layout) {
  const int64_t missing = layout.width - static_cast<int64_t>(CountCharacters(text.bytes()));
  if (missing <= 0) return text;
  const int64_t before = layout.align == '<' ? 0 : layout.align == '^' ? missing / 2 : missing;
  Text padded;
  const auto fill = [&](int64_t count) {
    for (; count > 0; --count) padded.Append(layout.fill);
  };
  if (layout.align == '=') padded.Append(text.Slice(0, sign_bytes));
  fill(before);
  padded.Append(layout.align == '=' ? text.Slice(sign_bytes, text.size()) : text);
  fill(missing - before);
  return padded;
}

// Digits of a number's absolute value, without a sign.
absl::StatusOr<std::string> Digits(const Value& value, const Layout& layout) {
  const char type = layout.type;
  char digits[512];
  if (absl::ascii_tolower(type) == 'f' || absl::ascii_tolower(type) == 'e' ||
      absl::ascii_tolower(type) == 'g') {
    double real = 0.0;
    if (!AsReal(value, real)) return Wrong("expected a number");
    const char form[] = {'%', '.', '*', type, '\0'};
    std::snprintf(digits, sizeof(digits), form, layout.precision < 0 ? 6 : layout.precision,
                  std::fabs(real));
    return std::string(digits);
  }
  int64_t integer = 0;
  if (const double* real = value.real(); real != nullptr && type == 'd') {
    if (!(std::fabs(*real) < 9e18)) return Wrong("the number is beyond 64-bit integers");
    integer = static_cast<int64_t>(*real);
  } else if (!AsInteger(value, integer)) {
    return Wrong(
        Words("%", std::string(1, type), ": expected an integer, found ", TypeName(value)));
  }
  const uint64_t size = integer < 0 ? 0 - static_cast<uint64_t>(integer) : integer;
  const char form[] = {'%', 'l', type == 'd' ? 'u' : type, '\0'};
  std::snprintf(digits, sizeof(digits), form, size);
  std::string text = digits;
  if (layout.alternate && type != 'd')
    text.insert(0, type == 'o' ? "0o" : type == 'x' ? "0x" : "0X");
  return text;
}

std::string WithCommas(const std::string& digits) {
  const size_t whole = std::min(digits.find('.'), digits.size());
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && i < whole && (whole - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

absl::StatusOr<Text> Number(const Value& value, const Layout& layout) {
  TEMPER_ASSIGN_OR_RETURN(std::string digits, Digits(value, layout));
  if (layout.commas) digits = WithCommas(digits);
  double real = 0.0;
  AsReal(value, real);
  const bool negative = std::signbit(real) && (digits.find_first_of("123456789") != digits.npos ||
                                               value.real() != nullptr);
  const std::string sign = negative ? "-" : layout.plus ? "+" : layout.blank ? " " : "";
  return Padded(Text(sign + digits), sign.size(), layout);
}

absl::StatusOr<Text> Shown(Meter& meter, const Value& value, const Layout& layout) {
  constexpr std::string_view kNumbers = "dxXofFeEgG";
  if (kNumbers.find(layout.type) != std::string_view::npos) return Number(value, layout);
  TEMPER_ASSIGN_OR_RETURN(Text text,
                          layout.type == 'r' ? ToRepr(meter, value) : ToText(meter, value));
  if (layout.precision >= 0) text = text.Slice(0, OffsetOf(text.bytes(), layout.precision));
  return Padded(text, 0, layout);
}

// Appends and counts.
class Output {
 public:
  explicit Output(Meter& meter) : meter_(meter) {}
  absl::Status Add(const Text& text) {
    TEMPER_RETURN_IF_ERROR(meter_.Steps(1 + static_cast<int64_t>(text.size() / kBytesPerStep)));
    text_.Append(text);
    if (text_.size() > meter_.limits().text_bytes) return meter_.Text(text_.size());
    return absl::OkStatus();
  }
  absl::StatusOr<Value> Done() { return MakeText(meter_, std::move(text_)); }

 private:
  Meter& meter_;
  Text text_;
};

// The specifications of a % format, one after the other.
class Percent {
 public:
  Percent(Meter& meter, const Text& format, const Value& values)
      : meter_(meter), format_(format), in_(format.bytes()), values_(values), out_(meter) {}

  absl::StatusOr<Value> Run() {
    while (at_ < in_.size()) {
      const size_t mark = std::min(in_.find('%', at_), in_.size());
      TEMPER_RETURN_IF_ERROR(out_.Add(format_.Slice(at_, mark)));
      at_ = mark;
      if (at_ < in_.size()) TEMPER_RETURN_IF_ERROR(Specification());
    }
    const Sequence* tuple = Tuple();
    const size_t given = tuple != nullptr ? tuple->items.size() : values_.dict() != nullptr ? 0 : 1;
    if (used_ < given && !(values_.sequence() != nullptr && tuple == nullptr)) {
      return Wrong("not all arguments converted during string formatting");
    }
    return out_.Done();
  }

 private:
  const Sequence* Tuple() const {
    const Sequence* sequence = values_.sequence();
    return sequence != nullptr && sequence->kind == Sequence::Kind::kTuple ? sequence : nullptr;
  }

  absl::StatusOr<Value> Next() {
    const Sequence* tuple = Tuple();
    if (tuple == nullptr && used_ == 0) {
      ++used_;
      return values_;
    }
    if (tuple == nullptr || used_ >= tuple->items.size()) {
      return Wrong("not enough arguments for format string");
    }
    return tuple->items[used_++];
  }

  char Peek() const { return at_ < in_.size() ? in_[at_] : '\0'; }

  absl::StatusOr<int> Count(int most) {
    if (Peek() == '*') return Wrong("* is not supported");
    int count = 0;
    for (; absl::ascii_isdigit(Peek()); ++at_) {
      count = 10 * count + (Peek() - '0');
      if (count > most) return Wrong(Words("a width or precision above ", most));
    }
    return count;
  }

  absl::Status Specification() {
    ++at_;
    std::optional<Value> keyed;
    if (Peek() == '(') {
      const size_t close = in_.find(')', at_);
      if (close == std::string_view::npos) return Wrong("incomplete format key");
      if (values_.dict() == nullptr) return Wrong("format requires a mapping");
      const Value* found = values_.dict()->Find(in_.substr(at_ + 1, close - at_ - 1));
      if (found == nullptr) return Wrong("a key is missing");
      keyed = *found;
      at_ = close + 1;
    }
    Layout layout{.align = '>'};
    for (;; ++at_) {
      if (Peek() == '-') {
        layout.align = '<';
      } else if (Peek() == '0') {
        if (layout.align != '<') layout.align = '=';
      } else if (Peek() == '+') {
        layout.plus = true;
      } else if (Peek() == ' ') {
        layout.blank = true;
      } else if (Peek() == '#') {
        layout.alternate = true;
      } else {
        break;
      }
    }
    TEMPER_ASSIGN_OR_RETURN(layout.width, Count(kWidthMax));
    if (Peek() == '.') {
      ++at_;
      TEMPER_ASSIGN_OR_RETURN(layout.precision, Count(kPrecisionMax));
    }
    layout.type = Peek();
    constexpr std::string_view kTypes = "sradiuxXofFeEgGc%";
    if (at_ >= in_.size() || kTypes.find(layout.type) == std::string_view::npos) {
      return Wrong("unsupported or incomplete format");
    }
    ++at_;
    if (layout.type == '%') return out_.Add(Text("%"));
    if (layout.type == 'i' || layout.type == 'u') layout.type = 'd';
    if (layout.type == 'a' || layout.type == 'c') return Wrong("%a and %c are not supported");
    const bool number = layout.type != 's' && layout.type != 'r';
    if (layout.align == '=' && number) layout.fill = "0";
    if (layout.align == '=' && !number) layout.align = '>';
    if (!keyed.has_value()) {
      TEMPER_ASSIGN_OR_RETURN(keyed, Next());
    }
    TEMPER_ASSIGN_OR_RETURN(const Text text, Shown(meter_, *keyed, layout));
    return out_.Add(text);
  }

  Meter& meter_;
  const Text& format_;
  const std::string_view in_;
  const Value& values_;
  Output out_;
  size_t at_ = 0;
  size_t used_ = 0;
};

absl::StatusOr<Layout> ReadLayout(std::string_view spec, const Value& value) {
  Layout layout;
  const bool number = value.integer() != nullptr || value.real() != nullptr;
  layout.align = number ? '>' : '<';
  constexpr std::string_view kAligns = "<>^=";
  size_t at = 0;
  if (!spec.empty()) {
    const size_t fill = CharacterAt(spec, 0).bytes;
    if (fill < spec.size() && kAligns.find(spec[fill]) != std::string_view::npos) {
      layout.fill = spec.substr(0, fill);
      at = fill;
    }
    if (kAligns.find(spec[at]) != std::string_view::npos) layout.align = spec[at++];
  }
  const auto peek = [&] { return at < spec.size() ? spec[at] : '\0'; };
  if (peek() == '+') layout.plus = true;
  if (peek() == ' ') layout.blank = true;
  if (peek() == '+' || peek() == ' ' || peek() == '-') ++at;
  if (peek() == '0') {
    layout.fill = "0";
    if (number) layout.align = '=';
    ++at;
  }
  for (; absl::ascii_isdigit(peek()) && layout.width <= kWidthMax; ++at) {
    layout.width = 10 * layout.width + (peek() - '0');
  }
  if (peek() == ',') {
    layout.commas = true;
    ++at;
  }
  if (peek() == '.') {
    ++at;
    layout.precision = 0;
    for (; absl::ascii_isdigit(peek()) && layout.precision <= kPrecisionMax; ++at) {
      layout.precision = 10 * layout.precision + (peek() - '0');
    }
  }
  if (layout.width > kWidthMax || layout.precision > kPrecisionMax) {
    return Wrong(Words("a width above ", kWidthMax, " or a precision above ", kPrecisionMax));
  }
  layout.type = value.integer() != nullptr ? 'd' : 's';
  if (at < spec.size()) layout.type = spec[at++];
  constexpr std::string_view kTypes = "sdfFeEgGxX";
  if (at != spec.size() || kTypes.find(layout.type) == std::string_view::npos) {
    return Wrong(Words("the specification \"", spec, "\" is not supported"));
  }
  return layout;
}

// The fields of a brace format.
class Braces {
 public:
  Braces(Meter& meter, const Text& format, const Arguments& arguments)
      : meter_(meter), format_(format), arguments_(arguments), out_(meter) {}

  absl::StatusOr<Value> Run() {
    const std::string_view in = format_.bytes();
    for (size_t at = 0; at < in.size();) {
      const size_t mark = std::min(in.find_first_of("{}", at), in.size());
      TEMPER_RETURN_IF_ERROR(out_.Add(format_.Slice(at, mark)));
      if (mark == in.size()) break;
      if (mark + 1 < in.size() && in[mark + 1] == in[mark]) {
        TEMPER_RETURN_IF_ERROR(out_.Add(format_.Slice(mark, mark + 1)));
        at = mark + 2;
        continue;
      }
      const size_t close = in.find('}', mark);
      if (in[mark] == '}' || close == std::string_view::npos) {
        return Wrong("a single '{' or '}' in the format");
      }
      TEMPER_RETURN_IF_ERROR(Field(in.substr(mark + 1, close - mark - 1)));
      at = close + 1;
    }
    return out_.Done();
  }

 private:
  absl::Status Field(std::string_view field) {
    const size_t colon = std::min(field.find(':'), field.size());
    const std::string_view spec = field.substr(std::min(colon + 1, field.size()));
    std::string_view name = field.substr(0, colon);
    char conversion = '\0';
    if (const size_t mark = name.find('!'); mark != std::string_view::npos) {
      const std::string_view letter = name.substr(mark + 1);
      if (letter != "s" && letter != "r") return Wrong("expected !s or !r");
      conversion = letter[0];
      name = name.substr(0, mark);
    }
    TEMPER_ASSIGN_OR_RETURN(Value value, Lookup(name));
    if (conversion != '\0') {
      TEMPER_ASSIGN_OR_RETURN(Text text,
                              conversion == 'r' ? ToRepr(meter_, value) : ToText(meter_, value));
      value = Value::String(std::move(text));
    }
    if (spec.empty()) {
      TEMPER_ASSIGN_OR_RETURN(const Text text, ToText(meter_, value));
      return out_.Add(text);
    }
    TEMPER_ASSIGN_OR_RETURN(const Layout layout, ReadLayout(spec, value));
    TEMPER_ASSIGN_OR_RETURN(const Text text, Shown(meter_, value, layout));
    return out_.Add(text);
  }

  absl::StatusOr<Value> Lookup(std::string_view name) {
    const size_t end = std::min(name.find_first_of(".["), name.size());
    const std::string_view first = name.substr(0, end);
    TEMPER_ASSIGN_OR_RETURN(Value value, Argument(first));
    for (size_t at = end; at < name.size();) {
      if (name[at] == '.') {
        const size_t stop = std::min(name.find_first_of(".[", at + 1), name.size());
        TEMPER_ASSIGN_OR_RETURN(value, Attribute(value, name.substr(at + 1, stop - at - 1)));
        at = stop;
        continue;
      }
      const size_t close = name.find(']', at);
      if (name[at] != '[' || close == std::string_view::npos)
        return Wrong("a field cannot be read");
      const std::string_view key = name.substr(at + 1, close - at - 1);
      const std::optional<int64_t> index = ParseIndex(key);
      TEMPER_ASSIGN_OR_RETURN(
          value, Item(meter_, value, index.has_value() ? Value::Int(*index) : Value::String(key)));
      at = close + 1;
    }
    return value;
  }

  absl::StatusOr<Value> Argument(std::string_view name) {
    const std::optional<int64_t> number = name.empty() ? automatic_++ : ParseIndex(name);
    if (number.has_value()) {
      const size_t index = *number;
      if (index >= arguments_.positional.size()) {
        return Wrong(Words("replacement index ", index, " out of range"));
      }
      return arguments_.positional[index];
    }
    for (const auto& [key, value] : arguments_.named) {
      if (key == name) return value;
    }
    return Wrong(Words("the argument ", name, " is missing"));
  }

  Meter& meter_;
  const Text& format_;
  const Arguments& arguments_;
  Output out_;
  int64_t automatic_ = 0;
};

}  // namespace

absl::StatusOr<Value> FormatPercent(Meter& meter, const Text& format, const Value& values) {
  return Percent(meter, format, values).Run();
}

absl::StatusOr<Value> FormatBraces(Meter& meter, const Text& format, const Arguments& arguments) {
  return Braces(meter, format, arguments).Run();
}

}  // namespace temper::model::jinja
