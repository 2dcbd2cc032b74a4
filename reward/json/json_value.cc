// Built from the events of nlohmann's parser, which hands over the digits of every number.
#include "reward/json/json_value.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "nlohmann/json.hpp"
#include "reward/exact_number.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

constexpr int kDepthMax = 256;

class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(size_t bytes, int depth_max) : bytes_(bytes), depth_max_(depth_max) {}

  bool null() override { return Add({}); }
  bool boolean(bool truth) override {
    return Add({.kind = JsonValue::Kind::kBoolean, .truth = truth});
  }
  bool number_integer(number_integer_t value) override {
    return AddNumber(mpq_class(static_cast<long>(value)));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return AddNumber(mpq_class(static_cast<unsigned long>(value)));
  }
  bool number_float(number_float_t, const string_t& digits) override {
    const std::optional<ExactNumber> number = ParseNumber(digits);
    if (!number.has_value()) return Fail("a number that is too large to hold");
    return AddNumber(number->value);
  }
  bool string(string_t& text) override {
    return Add({.kind = JsonValue::Kind::kString, .text = std::move(text)});
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(JsonValue::Kind::kObject); }
  bool start_array(std::size_t) override { return Open(JsonValue::Kind::kArray); }
  bool key(string_t& name) override {
    open_.back().members.push_back({std::move(name), {}});
    return true;
  }
  bool end_object() override {
    auto& members = open_.back().members;
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    const auto twice =
        std::adjacent_find(members.begin(), members.end(),
                           [](const auto& a, const auto& b) { return a.name == b.name; });
    if (twice != members.end()) {
      return Fail(absl::StrCat("key ", Quoted(twice->name), " stands twice in one object"));
    }
    return Close();
  }
  bool end_array() override { return Close(); }
  bool parse_error(std::size_t at, const std::string& token,
                   const nlohmann::detail::exception& error) override {
    if (token.empty() || at > bytes_) return Fail("it ends where more was expected");
    const bool overflow = dynamic_cast<const nlohmann::detail::out_of_range*>(&error) != nullptr;
    if (overflow) return Fail("a number that is too large to hold");
    constexpr size_t kBytesShown = 30;
    const size_t cut = token.size() > kBytesShown ? token.size() - kBytesShown : 0;
    return Fail(absl::StrCat("found ", Quoted(token.substr(cut)), " at byte ", at));
  }

  JsonValue root;
  std::string problem;

 private:
  bool Fail(std::string why) {
    problem = std::move(why);
    return false;
  }
  bool AddNumber(mpq_class number) {
    return Add({.kind = JsonValue::Kind::kNumber, .number = std::move(number)});
  }
  bool Add(JsonValue value) {
    if (open_.empty()) {
      root = std::move(value);
    } else if (open_.back().kind == JsonValue::Kind::kArray) {
      open_.back().items.push_back(std::move(value));
    } else {
      open_.back().members.back().value = std::move(value);
    }
    return true;
  }
  bool Open(JsonValue::Kind kind) {
    if (static_cast<int>(open_.size()) >= depth_max_) {
      return Fail(absl::StrCat("nested deeper than ", depth_max_, " levels"));
    }
    open_.push_back({.kind = kind});
    return true;
  }
  bool Close() {
    JsonValue value = std::move(open_.back());
    open_.pop_back();
    return Add(std::move(value));
  }

  const size_t bytes_;  // of the text
  const int depth_max_;
  std::vector<JsonValue> open_;  // from the root down to where the parser is
};

void AppendText(const JsonValue& value, std::string& text) {
  switch (value.kind) {
    case JsonValue::Kind::kNull:
      text += "null";
      break;
    case JsonValue::Kind::kBoolean:
      text += value.truth ? "true" : "false";
      break;
    case JsonValue::Kind::kNumber:
      text += value.number->get_str();
      break;
    case JsonValue::Kind::kString:
      // The length makes quotation marks within the text harmless.
      absl::StrAppend(&text, value.text.size(), "\"", value.text, "\"");
      break;
    case JsonValue::Kind::kArray:
      text += '[';
      for (const JsonValue& item : value.items) {
        AppendText(item, text);
        text += ',';
      }
      text += ']';
      break;
    case JsonValue::Kind::kObject:
      text += '{';
      for (const auto& [name, member] : value.members) {
        absl::StrAppend(&text, name.size(), "\"", name, "\":");
        AppendText(member, text);
        text += ',';
      }
      text += '}';
      break;
  }
}

}  // namespace

const JsonValue* JsonValue::Find(std::string_view name) const {
  const auto found = std::lower_bound(
      members.begin(), members.end(), name,
      [](const auto& member, std::string_view wanted) { return member.name < wanted; });
  return found != members.end() && found->name == name ? &found->value : nullptr;
}

const char* JsonValue::TypeName() const {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBoolean:
      return "boolean";
    case Kind::kNumber:
      return IsInteger() ? "integer" : "number";
    case Kind::kString:
      return "string";
    case Kind::kArray:
      return "array";
    case Kind::kObject:
      return "object";
  }
  return "";
}

absl::StatusOr<JsonValue> ParseJsonValue(std::string_view text, const JsonLimits& limits) {
  TEMPER_CHECK(limits.depth_max >= 1 && limits.depth_max <= kDepthMax);
  if (text.size() > limits.bytes_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", text.size(), " bytes, expected at most ", limits.bytes_max));
  }
  // For the parser a NUL is the end, and what follows would go unseen.
  if (text.find('\0') != text.npos) return absl::InvalidArgumentError("found a NUL byte");
  Builder builder(text.size(), limits.depth_max);
  if (!nlohmann::json::sax_parse(text, &builder)) {
    return absl::InvalidArgumentError(builder.problem);
  }
  return std::move(builder.root);
}

absl::StatusOr<JsonValue> ParseJsonAt(std::string_view text, const JsonLimits& limits,
                                      std::string_view place) {
  auto parsed = ParseJsonValue(text, limits);
  if (parsed.ok()) return parsed;
  return absl::InvalidArgumentError(absl::StrCat(
      std::string(place), ": not one JSON document: ", std::string(parsed.status().message())));
}

bool Equal(const JsonValue& a, const JsonValue& b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case JsonValue::Kind::kNull:
      return true;
    case JsonValue::Kind::kBoolean:
      return a.truth == b.truth;
    case JsonValue::Kind::kNumber:
      return a.number == b.number;
    case JsonValue::Kind::kString:
      return a.text == b.text;
    case JsonValue::Kind::kArray:
      return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), Equal);
    case JsonValue::Kind::kObject:
      return std::equal(
          a.members.begin(), a.members.end(), b.members.begin(), b.members.end(),
          [](const auto& x, const auto& y) { return x.name == y.name && Equal(x.value, y.value); });
  }
  return false;
}

std::string CanonicalText(const JsonValue& value) {
  std::string text;
  AppendText(value, text);
  return text;
}

std::string Shown(const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::kArray:
      return absl::StrCat("an array of ", value.items.size());
    case JsonValue::Kind::kObject:
      return absl::StrCat("an object of ", value.members.size());
    case JsonValue::Kind::kString:
      return Quoted(value.text);
    default: {
      const std::string text = CanonicalText(value);
      return text.size() <= 40 ? text : text.substr(0, 40) + "...";
    }
  }
}

}  // namespace temper::reward
