// Bytes to characters and back.
#include "policy/model/tokenizer/byte_alphabet.h"

#include <array>

namespace temper::model {
namespace {

bool Printable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr int kCharacters = 0x100 + 68;  // 68 bytes are not printable

struct Alphabet {
  std::array<int, 256> character_of_byte;
  std::array<int, kCharacters> byte_of_character;

  Alphabet() {
    byte_of_character.fill(-1);
    int next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      character_of_byte[byte] = Printable(byte) ? byte : next++;
      byte_of_character[character_of_byte[byte]] = byte;
    }
  }
};

const Alphabet& TheAlphabet() {
  static const Alphabet alphabet;
  return alphabet;
}

}  // namespace

std::string CharacterOfByte(uint8_t byte) {
  const int character = TheAlphabet().character_of_byte[byte];
  if (character < 0x80) return std::string(1, static_cast<char>(character));
  return {static_cast<char>(0xC0 | character >> 6), static_cast<char>(0x80 | (character & 0x3F))};
}

std::optional<std::string> BytesOfText(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    int character = static_cast<uint8_t>(text[i]);
    if (character >= 0x80) {
      // All characters of the alphabet take one or two bytes.
      if ((character & 0xE0) != 0xC0 || i + 1 >= text.size()) return std::nullopt;
      character = (character & 0x1F) << 6 | (static_cast<uint8_t>(text[++i]) & 0x3F);
    }
    if (character >= kCharacters) return std::nullopt;
    const int byte = TheAlphabet().byte_of_character[character];
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

}  // namespace temper::model
