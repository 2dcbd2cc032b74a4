// The first symbols of a piece are its bytes or characters; what has no token falls back.
#include "policy/model/tokenizer/bpe_model.h"

#include <algorithm>

#include "absl/strings/string_view.h"
#include "base/utf8.h"

namespace temper::model {
namespace {

absl::string_view Key(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

void BpeModel::Encode(std::string_view piece, std::vector<int32_t>& symbols,
                      std::vector<int32_t>& tokens) const {
  const auto at = whole.find(Key(piece));
  if (at != whole.end()) {
    tokens.push_back(at->second);
    return;
  }
  Merge(piece, symbols);
  tokens.insert(tokens.end(), symbols.begin(), symbols.end());
}

void BpeModel::Merge(std::string_view piece, std::vector<int32_t>& symbols) const {
  symbols.clear();
  bool unknown_open = false;
  while (!piece.empty()) {
    const size_t size = byte_level ? 1 : std::max<size_t>(1, FirstCharacterBytes(piece));
    AppendCharacter(piece.substr(0, size), unknown_open, symbols);
    piece.remove_prefix(size);
  }
  merges.Apply(symbols);
}

// `unknown_open`: the last character was unknown, so that the next one may be fused with it.
void BpeModel::AppendCharacter(std::string_view character, bool& unknown_open,
                               std::vector<int32_t>& symbols) const {
  const auto byte_token = [this](char c) { return byte_tokens[static_cast<uint8_t>(c)]; };
  if (!byte_level) {
    const auto at = characters.find(Key(character));
    if (at != characters.end()) {
      symbols.push_back(at->second);
      unknown_open = false;
      return;
    }
  }
  if (std::all_of(character.begin(), character.end(), [&](char c) { return byte_token(c) >= 0; })) {
    for (const char c : character) symbols.push_back(byte_token(c));
    unknown_open = false;
    return;
  }
  if (unknown < 0 || (unknown_open && fuse_unknown)) return;
  symbols.push_back(unknown);
  unknown_open = true;
}

}  // namespace temper::model
