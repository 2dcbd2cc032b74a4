// Tokens that are found in the text itself, before anything is cut or merged.
//
// Filled while loading, then immutable; any thread may search with it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace temper::model {

struct AddedToken {
  std::string text;  // as it is searched for: normalized, if the flag says so
  int32_t id = -1;
  bool special = false;
  bool single_word = false;  // only between characters that belong to no word
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = false;   // found in the normalized text, in the second round
};

// A stretch of the input: one added token, or text (id -1).
struct Stretch {
  int32_t id = -1;
  std::string_view text;
};

class AddedTokens {
 public:
  void Add(AddedToken token);
  // Call once, after the last Add. Of two tokens with the same text the later one stays.
  void Finish();

  enum class Round { kAsWritten, kNormalized };
  // Leftmost and longest matches. Without `parse_special`, what spells a special token stays text.
  std::vector<Stretch> Split(std::string_view text, Round round, bool parse_special) const;

 private:
  struct Index {
    std::vector<AddedToken> tokens;  // by text
    std::array<bool, 256> starts{};  // by a token's first byte
  };
  // The longest token that `text` starts with, or null.
  static const AddedToken* Longest(const Index& index, std::string_view text);

  Index as_written_, normalized_;
};

}  // namespace temper::model
