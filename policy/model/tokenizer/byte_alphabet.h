// The GPT-2 alphabet: every byte as one printable character, so that tokens can stand in JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace temper::model {

// The character (UTF-8) that stands for a byte: itself when printable, else one from U+0100 on.
std::string CharacterOfByte(uint8_t byte);

// The bytes that a token's text stands for; nothing when a character is outside the alphabet.
std::optional<std::string> BytesOfText(std::string_view text);

}  // namespace temper::model
