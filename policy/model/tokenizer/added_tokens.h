// Tokens that are found in the text itself, before anything is cut or merged.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace temper::model {

struct AddedToken {
  std::string text;
  int32_t id = -1;
  bool special = false;
  bool single_word = false;  // only between characters that belong to no word
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = false;   // found in the second round only
};

// A stretch of the input: one added token, or text (id -1).
struct Stretch {
  int32_t id = -1;
  std::string_view text;
};

class AddedTokens {
 public:
  void Add(AddedToken token);

  // Leftmost and longest matches. Without `parse_special`, what spells a special token stays text.
  std::vector<Stretch> Split(std::string_view text, bool parse_special) const;

 private:
  struct Node {
    std::map<char, int32_t> next;
    int32_t token = -1;  // index into tokens_
  };
  struct Trie {
    std::vector<Node> nodes{1};
    std::array<bool, 256> starts{};  // by a token's first byte
  };

  // The longest token that `text` starts with; -1: none.
  int32_t Longest(const Trie& trie, std::string_view text) const;
  void SplitBy(const Trie& trie, std::string_view text, bool parse_special,
               std::vector<Stretch>& stretches) const;

  std::vector<AddedToken> tokens_;
  Trie plain_, normalized_;
};

}  // namespace temper::model
