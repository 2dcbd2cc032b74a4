// Characters of UTF-8 text as Python's str sees them: code points, their classes and cases.
//
// All texts here are valid UTF-8. Stateless; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace temper::model::jinja {

bool IsValidUtf8(std::string_view text);
// The character that begins at `at`, and its length in bytes.
struct Character {
  char32_t code = 0;
  size_t bytes = 0;
};
Character CharacterAt(std::string_view text, size_t at);
void AppendUtf8(char32_t code, std::string& text);
// Code points of `text`.
size_t CountCharacters(std::string_view text);
// Byte offset of the character number `index`; text.size() when there are fewer.
size_t OffsetOf(std::string_view text, size_t index);

// str.isspace() of one character.
bool IsSpace(char32_t code);
bool IsAlpha(char32_t code);
bool IsDecimal(char32_t code);
bool IsNumeric(char32_t code);
// Shown as it is by repr().
bool IsPrintable(char32_t code);

bool HasLowerCase(char32_t code);  // some other character is its lower case
bool HasUpperCase(char32_t code);
std::string Lower(std::string_view text);
std::string Upper(std::string_view text);
// First character in upper case, the rest in lower case.
std::string Capitalized(std::string_view text);

}  // namespace temper::model::jinja
