// Text as a sequence of Unicode code points, with the classes and edits that Python's str has: the
// published checkers are defined by them.
//
// Views are of the caller's text. Everything is linear. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace temper::reward {

// !"#$%&'()*+,-./:;<=>?@[\]^_`{|}~
extern const std::u32string_view kPunctuation;
extern const std::u32string_view kPunctuationAndBlank;  // and U+0020

// Bytes that are no UTF-8 become U+FFFD.
std::u32string Decoded(std::string_view text);
std::string Encoded(std::u32string_view text);

bool IsSpace(char32_t c);       // str.isspace
bool IsAlphabetic(char32_t c);  // str.isalpha
bool IsNumeric(char32_t c);     // Unicode Nd, Nl, No
bool IsDigit(char32_t c);       // \d: Unicode Nd
bool IsWordChar(char32_t c);    // \w: letters, numbers, underscore
bool IsUpper(char32_t c);
bool IsLower(char32_t c);
bool IsPunctuation(char32_t c);  // ASCII only
char32_t ToLower(char32_t c);

// At least one cased letter, and all of them of that case: str.isupper, str.islower.
bool IsUpperText(std::u32string_view text);
bool IsLowerText(std::u32string_view text);

std::u32string Lowered(std::u32string_view text);
std::u32string WithoutPunctuation(std::u32string_view text);

std::u32string_view Stripped(std::u32string_view text);  // of blanks
// Of the characters in `set`.
std::u32string_view StrippedOf(std::u32string_view text, std::u32string_view set);
std::u32string_view LeftStrippedOf(std::u32string_view text, std::u32string_view set);
std::u32string_view RightStrippedOf(std::u32string_view text, std::u32string_view set);

// Pieces between runs of blanks; none is empty.
std::vector<std::u32string_view> SplitAtBlanks(std::u32string_view text);
// Pieces between separators, which are not empty; there is always at least one piece.
std::vector<std::u32string_view> SplitAt(std::u32string_view text, std::u32string_view separator);
// Longest runs of word characters: \w+.
std::vector<std::u32string_view> WordRuns(std::u32string_view text);

// Longest runs of digits: \d+.
std::vector<std::u32string_view> DigitRuns(std::u32string_view text);
// Lower case, without punctuation, cut at blanks; none is empty.
std::vector<std::u32string> PlainWords(std::u32string_view text);

std::u32string Replaced(std::u32string_view text, std::u32string_view what,
                        std::u32string_view with);

// Compatibility decomposition, of which only ASCII is kept: "São" is "Sao".
std::u32string AsciiForm(std::u32string_view text);

}  // namespace temper::reward
