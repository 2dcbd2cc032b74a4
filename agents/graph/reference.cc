// A reference's text.
#include "agents/graph/reference.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace temper::agents {
namespace {

constexpr size_t kChoicesMax = 16;
constexpr size_t kFieldsMax = 16;

// Fields may be named as servers name them.
size_t FieldBytes(std::string_view text) {
  size_t bytes = 0;
  while (bytes < text.size() && (absl::ascii_isalnum(text[bytes]) || text[bytes] == '_')) ++bytes;
  return bytes;
}

}  // namespace

size_t NameBytes(std::string_view text) {
  if (text.empty() || !absl::ascii_islower(text[0])) return 0;
  size_t bytes = 1;
  while (bytes < text.size() && (absl::ascii_islower(text[bytes]) ||
                                 absl::ascii_isdigit(text[bytes]) || text[bytes] == '_')) {
    ++bytes;
  }
  return bytes;
}

bool IsName(std::string_view text) { return !text.empty() && NameBytes(text) == text.size(); }

absl::StatusOr<Reference> ParseReference(std::string_view text, Place place) {
  Reference reference;
  reference.text = std::string(text);
  reference.place = place;
  size_t at = 0;
  const auto wrong = [&](std::string_view expected) {
    return absl::InvalidArgumentError(absl::StrCat(place.line, ":", place.column + at, ": found \"",
                                                   std::string(text.substr(at)), "\"; expected ",
                                                   std::string(expected)));
  };
  const auto skip = [&] {
    while (at < text.size() && text[at] == ' ') ++at;
  };
  while (true) {
    skip();
    if (text.substr(at, 1) != "$") return wrong("a reference such as \"$draft\"");
    const size_t bytes = NameBytes(text.substr(at + 1));
    if (bytes == 0) return wrong("\"$\" and a name of a-z, 0-9 and _ that begins with a letter");
    Reference::Choice choice;
    choice.name = std::string(text.substr(at + 1, bytes));
    at += 1 + bytes;
    while (text.substr(at, 1) == ".") {
      const size_t field = FieldBytes(text.substr(at + 1));
      if (field == 0 || choice.fields.size() == kFieldsMax) return wrong("a field's name");
      choice.fields.emplace_back(text.substr(at + 1, field));
      at += 1 + field;
    }
    reference.choices.push_back(std::move(choice));
    skip();
    if (at == text.size()) return reference;
    if (text[at] != '|' || reference.choices.size() == kChoicesMax) {
      return wrong("\" | \" and another reference, or the end");
    }
    ++at;
  }
}

}  // namespace temper::agents
