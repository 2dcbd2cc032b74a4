// Byte-pair encoding of one piece of text: its first symbols, then the merges.
//
// A symbol is a byte where the vocabulary is written in the byte alphabet, else a character.
// Immutable once filled; any thread may call it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "policy/model/tokenizer/merge_table.h"

namespace temper::model {

struct BpeModel {
  bool byte_level = false;  // pieces are raw bytes, tokens are written in the byte alphabet
  bool fuse_unknown = false;
  int32_t unknown = -1;                    // -1: what has no token vanishes
  std::array<int32_t, 256> byte_tokens{};  // byte level: by byte; else <0x00> to <0xFF>; -1: none
  absl::flat_hash_map<std::string, int32_t> characters;  // not byte level: tokens of one character
  absl::flat_hash_map<std::string, int32_t> whole;  // pieces that become one token, known ahead
  MergeTable merges;

  // Appends the tokens of a piece. `symbols` is room to work in.
  void Encode(std::string_view piece, std::vector<int32_t>& symbols,
              std::vector<int32_t>& tokens) const;

  // Sets `symbols` to what the merges give, whole pieces or not.
  void Merge(std::string_view piece, std::vector<int32_t>& symbols) const;

 private:
  void AppendCharacter(std::string_view character, bool& unknown_open,
                       std::vector<int32_t>& symbols) const;
};

}  // namespace temper::model
