// The shape of UTF-8: what is whole, what is open, and what to make of bytes that are neither.
#pragma once

#include <string>
#include <string_view>

namespace temper {

// `bytes` with U+FFFD for every longest piece that cannot belong to a UTF-8 character: a model may
// end in the middle of one, or sample bytes that are none.
std::string ValidUtf8(std::string_view bytes);

// Bytes of the character that `bytes` start with; 0 when they start with none.
size_t FirstCharacterBytes(std::string_view bytes);

// Bytes of the longest piece at the front that is valid.
size_t ValidUtf8Bytes(std::string_view bytes);

// How many bytes at the end begin a character that is not whole yet; 0 to 3.
size_t OpenUtf8Bytes(std::string_view bytes);

}  // namespace temper
