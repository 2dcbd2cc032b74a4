// A walk over text that the strict parser has already accepted.
#include "base/placed_json.h"

#include <utility>

#include "base/json_text.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace temper {
namespace {

using nlohmann::ordered_json;

// The text is valid JSON: nothing is checked again.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  PlacedJson Value() {
    SkipSpace();
    PlacedJson value;
    value.line = line_;
    value.column = Column();
    switch (text_[at_]) {
      case '{':
        value.kind = PlacedJson::Kind::kObject;
        Members(value);
        return value;
      case '[':
        value.kind = PlacedJson::Kind::kArray;
        Elements(value);
        return value;
      default:
        value.scalar = ordered_json::parse(Scalar(), nullptr, /*allow_exceptions=*/false);
        value.kind = value.scalar.is_string()    ? PlacedJson::Kind::kString
                     : value.scalar.is_number()  ? PlacedJson::Kind::kNumber
                     : value.scalar.is_boolean() ? PlacedJson::Kind::kBool
                                                 : PlacedJson::Kind::kNull;
        return value;
    }
  }

 private:
  void Members(PlacedJson& object) {
    for (++at_; SkipSpace(), text_[at_] != '}';) {
      if (text_[at_] == ',') {
        ++at_;
        continue;
      }
      PlacedJson::Member member;
      member.line = line_;
      member.column = Column();
      member.key = ordered_json::parse(Scalar(), nullptr, false).get<std::string>();
      SkipSpace();
      ++at_;  // the colon
      member.value = Value();
      object.members.push_back(std::move(member));
    }
    ++at_;
  }
  void Elements(PlacedJson& array) {
    for (++at_; SkipSpace(), text_[at_] != ']';) {
      if (text_[at_] == ',') {
        ++at_;
        continue;
      }
      array.elements.push_back(Value());
    }
    ++at_;
  }
  // A string has no line break inside.
  std::string_view Scalar() {
    const size_t begin = at_;
    if (text_[at_] == '"') {
      for (++at_; text_[at_] != '"'; ++at_) {
        if (text_[at_] == '\\') ++at_;
      }
      ++at_;
    } else {
      while (at_ < text_.size() &&
             std::string_view(",]} \t\r\n").find(text_[at_]) == std::string_view::npos) {
        ++at_;
      }
    }
    return text_.substr(begin, at_ - begin);
  }
  void SkipSpace() {
    for (; at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos;
         ++at_) {
      if (text_[at_] != '\n') continue;
      ++line_;
      line_begin_ = at_ + 1;
    }
  }
  int Column() const { return static_cast<int>(at_ - line_begin_) + 1; }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_begin_ = 0;
  int line_ = 1;
};

}  // namespace

const PlacedJson* PlacedJson::Find(std::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

ordered_json PlacedJson::Json() const {
  if (kind == Kind::kObject) {
    ordered_json object = ordered_json::object();
    for (const Member& member : members) object[member.key] = member.value.Json();
    return object;
  }
  if (kind == Kind::kArray) {
    ordered_json array = ordered_json::array();
    for (const PlacedJson& element : elements) array.push_back(element.Json());
    return array;
  }
  return scalar;
}

std::string PlacedJson::Shown() const {
  std::string shown = Json().dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  return shown.size() <= 60 ? shown : ValidUtf8(shown.substr(0, 57) + "...");
}

absl::StatusOr<PlacedJson> ParsePlacedJson(std::string_view text, std::string_view place) {
  TEMPER_RETURN_IF_ERROR(ParseOrderedJson(text, place).status());
  // The parser lets a byte order mark stand in front.
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  return Walk(text).Value();
}

}  // namespace temper
