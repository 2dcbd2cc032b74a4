// Finds added tokens with two tries, as their `normalized` flag says.
#include "policy/model/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "policy/model/tokenizer/splitter.h"

namespace temper::model {
namespace {

const TextPattern& Compiled(const char* pattern) {
  absl::StatusOr<TextPattern> compiled = TextPattern::Compile(pattern);
  TEMPER_CHECK(compiled.ok());
  return *new TextPattern(*std::move(compiled));  // lives as long as the process
}

// Empty where the text does not start (end) with a whole character.
std::string_view FirstCharacter(std::string_view text) {
  return text.substr(0, FirstCharacterBytes(text));
}
std::string_view LastCharacter(std::string_view text) {
  for (size_t size = 1; size <= std::min<size_t>(4, text.size()); ++size) {
    const std::string_view tail = text.substr(text.size() - size);
    if (FirstCharacterBytes(tail) == size) return tail;
  }
  return "";
}

bool Matches(const TextPattern& pattern, std::string_view character) {
  std::vector<TextPattern::Match> matches;
  pattern.FindAll(character, matches);
  return !matches.empty();
}
bool IsSpace(std::string_view character) {
  static const TextPattern& pattern = Compiled("\\s");
  return Matches(pattern, character);
}
bool IsWord(std::string_view character) {
  static const TextPattern& pattern = Compiled("\\w");
  return Matches(pattern, character);
}

size_t SpaceAtStart(std::string_view text) {
  size_t size = 0;
  for (auto c = FirstCharacter(text); IsSpace(c); c = FirstCharacter(text.substr(size))) {
    size += c.size();
  }
  return size;
}
size_t SpaceAtEnd(std::string_view text) {
  const size_t whole = text.size();
  for (auto c = LastCharacter(text); IsSpace(c); c = LastCharacter(text)) {
    text.remove_suffix(c.size());
  }
  return whole - text.size();
}

}  // namespace

void AddedTokens::Add(AddedToken token) {
  TEMPER_CHECK(!token.text.empty());
  Trie& trie = token.normalized ? normalized_ : plain_;
  int32_t node = 0;
  for (const char c : token.text) {
    const int32_t fresh = static_cast<int32_t>(trie.nodes.size());
    const auto [at, added] = trie.nodes[node].next.try_emplace(c, fresh);
    node = at->second;
    if (added) trie.nodes.emplace_back();
  }
  trie.starts[static_cast<uint8_t>(token.text[0])] = true;
  trie.nodes[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(std::move(token));
}

int32_t AddedTokens::Longest(const Trie& trie, std::string_view text) const {
  if (!trie.starts[static_cast<uint8_t>(text[0])]) return -1;
  int32_t node = 0, longest = -1;
  for (const char c : text) {
    const auto at = trie.nodes[node].next.find(c);
    if (at == trie.nodes[node].next.end()) break;
    node = at->second;
    if (trie.nodes[node].token >= 0) longest = trie.nodes[node].token;
  }
  return longest;
}

void AddedTokens::SplitBy(const Trie& trie, std::string_view text, bool parse_special,
                          std::vector<Stretch>& stretches) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const int32_t index = Longest(trie, text.substr(at));
    if (index < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[index];
    size_t begin = at, end = at + token.text.size();
    at = end;
    if (token.special && !parse_special) continue;
    if (token.single_word && (IsWord(LastCharacter(text.substr(0, begin))) ||
                              IsWord(FirstCharacter(text.substr(end))))) {
      continue;
    }
    if (token.lstrip) begin -= SpaceAtEnd(text.substr(done, begin - std::min(done, begin)));
    if (token.rstrip) end += SpaceAtStart(text.substr(end));
    if (begin > done) stretches.push_back({-1, text.substr(done, begin - done)});
    stretches.push_back({token.id, text.substr(begin, end - begin)});
    done = end;
    at = std::max(at, end);
  }
  if (done < text.size()) stretches.push_back({-1, text.substr(done)});
}

std::vector<Stretch> AddedTokens::Split(std::string_view text, bool parse_special) const {
  std::vector<Stretch> first, stretches;
  SplitBy(plain_, text, parse_special, first);
  for (const Stretch& stretch : first) {
    if (stretch.id >= 0) {
      stretches.push_back(stretch);
    } else {
      SplitBy(normalized_, stretch.text, parse_special, stretches);
    }
  }
  return stretches;
}

}  // namespace temper::model
