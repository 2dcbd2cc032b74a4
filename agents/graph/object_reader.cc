// Every message: what was found, what is expected.
#include "agents/graph/object_reader.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/nearest_name.h"

namespace temper::agents {

using Kind = PlacedJson::Kind;

Place PlaceOf(const PlacedJson& value) { return {value.line, value.column}; }
Place InsideOf(const PlacedJson& value) { return {value.line, value.column + 1}; }

ObjectReader::ObjectReader(const PlacedJson& object, std::string what, Problems& problems)
    : object_(object), what_(std::move(what)), problems_(problems) {
  if (!object.is(Kind::kObject)) {
    Wrong(object, absl::StrCat("found ", object.Shown(), "; expected an object: ", what_));
  }
}

const PlacedJson* ObjectReader::Take(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  return object_.Find(key);
}

const PlacedJson* ObjectReader::Need(std::string_view key, std::string_view expected) {
  const PlacedJson* value = Take(key);
  if (value == nullptr && object_.is(Kind::kObject)) {
    Wrong(object_, absl::StrCat(what_, " has no key \"", std::string(key), "\"; expected ",
                                std::string(expected)));
  }
  return value;
}

void ObjectReader::WrongType(const PlacedJson& found, std::string_view key,
                             std::string_view expected) {
  Wrong(found, absl::StrCat("\"", std::string(key), "\": found ", found.Shown(), "; expected ",
                            std::string(expected)));
}

std::optional<std::string> ObjectReader::Text(std::string_view key) {
  const PlacedJson* value = Take(key);
  if (value == nullptr) return std::nullopt;
  if (value->is(Kind::kString) && !value->text().empty()) return value->text();
  WrongType(*value, key, "a text");
  return std::nullopt;
}

std::optional<int64_t> ObjectReader::Whole(std::string_view key, int64_t min, int64_t max) {
  const PlacedJson* value = Take(key);
  if (value == nullptr) return std::nullopt;
  if (value->is(Kind::kNumber)) {
    const double number = value->scalar.get<double>();
    if (std::trunc(number) == number && number >= static_cast<double>(min) &&
        number <= static_cast<double>(max)) {
      return value->scalar.is_number_float() ? static_cast<int64_t>(number)
                                             : value->scalar.get<int64_t>();
    }
  }
  WrongType(*value, key, absl::StrCat("a whole number from ", min, " to ", max));
  return std::nullopt;
}

std::optional<double> ObjectReader::Number(std::string_view key, double min, double max) {
  const PlacedJson* value = Take(key);
  if (value == nullptr) return std::nullopt;
  if (value->is(Kind::kNumber)) {
    const double number = value->scalar.get<double>();
    if (number >= min && number <= max) return number;
  }
  WrongType(*value, key, absl::StrCat("a number from ", min, " to ", max));
  return std::nullopt;
}

std::optional<bool> ObjectReader::Truth(std::string_view key) {
  const PlacedJson* value = Take(key);
  if (value == nullptr) return std::nullopt;
  if (value->is(Kind::kBool)) return value->scalar.get<bool>();
  WrongType(*value, key, "true or false");
  return std::nullopt;
}

std::optional<size_t> ObjectReader::Word(std::string_view key,
                                         const std::vector<std::string>& words) {
  const PlacedJson* value = Take(key);
  if (value == nullptr) return std::nullopt;
  const std::string found = value->is(Kind::kString) ? value->text() : value->Shown();
  const auto word = std::find(words.begin(), words.end(), found);
  if (value->is(Kind::kString) && word != words.end()) return word - words.begin();
  Wrong(*value, absl::StrCat("\"", std::string(key), "\": found ", value->Shown(),
                             Suggestion(found, words)));
  return std::nullopt;
}

std::vector<std::string> ObjectReader::Texts(std::string_view key) {
  const PlacedJson* value = Take(key);
  std::vector<std::string> texts;
  if (value == nullptr) return texts;
  if (value->is(Kind::kString)) return {value->text()};
  bool right = value->is(Kind::kArray) && !value->elements.empty();
  for (const PlacedJson& element : value->elements) {
    right = right && element.is(Kind::kString);
    if (right) texts.push_back(element.text());
  }
  if (!right) WrongType(*value, key, "a text or a list of texts");
  return texts;
}

std::optional<Reference> ObjectReader::ReadReference(const PlacedJson& value,
                                                     std::string_view key) {
  if (!value.is(Kind::kString)) {
    WrongType(value, key, "a reference such as \"$draft\"");
    return std::nullopt;
  }
  auto reference = ParseReference(value.text(), InsideOf(value));
  if (reference.ok()) return *std::move(reference);
  problems_.AddOther(PlaceOf(value), absl::StrCat(problems_.path(), ":",
                                                  std::string(reference.status().message())));
  return std::nullopt;
}

std::optional<Reference> ObjectReader::AReference(std::string_view key) {
  const PlacedJson* value = Take(key);
  return value == nullptr ? std::nullopt : ReadReference(*value, key);
}

std::vector<Reference> ObjectReader::References(std::string_view key) {
  const PlacedJson* value = Take(key);
  std::vector<Reference> references;
  if (value == nullptr) return references;
  if (value->is(Kind::kArray) && value->elements.empty()) {
    WrongType(*value, key, "a reference or a list of some");
  }
  if (!value->is(Kind::kArray)) {
    if (auto reference = ReadReference(*value, key)) references.push_back(*std::move(reference));
  }
  for (const PlacedJson& element : value->elements) {
    if (auto reference = ReadReference(element, key)) references.push_back(*std::move(reference));
  }
  return references;
}

std::optional<Expression> ObjectReader::AnExpression(std::string_view key,
                                                     const std::vector<std::string>& builtins) {
  const PlacedJson* value = Take(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is(Kind::kString)) {
    WrongType(*value, key, "an expression in quotes, such as \"$score < 4\"");
    return std::nullopt;
  }
  auto expression = Expression::Parse(value->text(), InsideOf(*value), builtins);
  if (expression.ok()) return *std::move(expression);
  problems_.AddOther(PlaceOf(*value), absl::StrCat(problems_.path(), ":",
                                                   std::string(expression.status().message())));
  return std::nullopt;
}

void ObjectReader::WrongKey(std::string_view key, std::string_view what) {
  Place place = PlaceOf(object_);
  for (const PlacedJson::Member& member : object_.members) {
    if (member.key == key) place = {member.line, member.column};
  }
  problems_.Add(place, what);
}

void ObjectReader::Finish() {
  for (const PlacedJson::Member& member : object_.members) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    problems_.Add({member.line, member.column},
                  absl::StrCat("found the key \"", member.key, "\", which ", what_,
                               " does not have", Suggestion(member.key, known_)));
  }
}

}  // namespace temper::agents
