// UTF-8 as RFC 3629 has it: no surrogates, nothing overlong, nothing above U+10FFFF.
#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace temper {
namespace {

struct Piece {
  size_t size = 1;
  enum { kWhole, kOpen, kBroken } kind = kBroken;  // kOpen: right so far, but the bytes end
};

// What stands at the front of `bytes`, which are not empty.
Piece FirstPiece(std::string_view bytes) {
  const uint8_t lead = bytes[0];
  if (lead < 0x80) return {1, Piece::kWhole};
  const size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                        : lead >= 0xE0 && lead <= 0xEF ? 3
                        : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                       : 0;
  if (length == 0) return {1, Piece::kBroken};
  for (size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {i, Piece::kOpen};
    const uint8_t next = bytes[i];
    uint8_t lowest = 0x80, highest = 0xBF;
    if (i == 1 && lead == 0xE0) lowest = 0xA0;
    if (i == 1 && lead == 0xED) highest = 0x9F;
    if (i == 1 && lead == 0xF0) lowest = 0x90;
    if (i == 1 && lead == 0xF4) highest = 0x8F;
    if (next < lowest || next > highest) return {i, Piece::kBroken};
  }
  return {length, Piece::kWhole};
}

// Bytes at the front that are ASCII, eight at a time; up to seven more may follow.
size_t AsciiBytes(std::string_view bytes) {
  size_t size = 0;
  for (uint64_t word = 0; size + sizeof(word) <= bytes.size(); size += sizeof(word)) {
    std::memcpy(&word, bytes.data() + size, sizeof(word));
    if (word & 0x8080808080808080) break;
  }
  return size;
}

}  // namespace

size_t FirstCharacterBytes(std::string_view bytes) {
  if (bytes.empty()) return 0;
  const Piece piece = FirstPiece(bytes);
  return piece.kind == Piece::kWhole ? piece.size : 0;
}

size_t ValidUtf8Bytes(std::string_view bytes) {
  size_t size = AsciiBytes(bytes);
  while (size < bytes.size()) {
    const Piece piece = FirstPiece(bytes.substr(size));
    if (piece.kind != Piece::kWhole) break;
    size += piece.size;
  }
  return size;
}

std::string ValidUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const Piece piece = FirstPiece(bytes);
    text.append(piece.kind == Piece::kWhole ? bytes.substr(0, piece.size) : "\xEF\xBF\xBD");
    bytes.remove_prefix(piece.size);
  }
  return text;
}

size_t OpenUtf8Bytes(std::string_view bytes) {
  for (size_t tail = 1; tail <= 3 && tail <= bytes.size(); ++tail) {
    const Piece piece = FirstPiece(bytes.substr(bytes.size() - tail));
    if (piece.kind == Piece::kOpen && piece.size == tail) return tail;
  }
  return 0;
}

}  // namespace temper
