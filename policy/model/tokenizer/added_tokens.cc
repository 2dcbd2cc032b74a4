// Finds added tokens by narrowing the sorted list of them, byte by byte.
#include "policy/model/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"
#include "policy/model/tokenizer/text_pattern.h"

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
  // Not \w: here the library asks another engine, for which the joiners belong to words.
  static const TextPattern& pattern =
      Compiled("[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}]");
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
  Index& index = token.normalized ? normalized_ : as_written_;
  index.starts[static_cast<uint8_t>(token.text[0])] = true;
  index.tokens.push_back(std::move(token));
}

void AddedTokens::Finish() {
  for (Index* index : {&as_written_, &normalized_}) {
    std::vector<AddedToken>& tokens = index->tokens;
    std::stable_sort(tokens.begin(), tokens.end(),
                     [](const AddedToken& a, const AddedToken& b) { return a.text < b.text; });
    const auto same = [](const AddedToken& a, const AddedToken& b) { return a.text == b.text; };
    // unique keeps the first of equals, so from the back it keeps the last.
    tokens.erase(tokens.begin(), std::unique(tokens.rbegin(), tokens.rend(), same).base());
  }
}

const AddedToken* AddedTokens::Longest(const Index& index, std::string_view text) {
  if (!index.starts[static_cast<uint8_t>(text[0])]) return nullptr;
  const AddedToken* longest = nullptr;
  auto begin = index.tokens.begin(), end = index.tokens.end();
  // All of [begin, end) start with text[0, size).
  for (size_t size = 0; size < text.size(); ++size) {
    const uint8_t next = text[size];
    const auto byte = [size](const AddedToken& token) {  // the end of a token comes first
      return size < token.text.size() ? static_cast<uint8_t>(token.text[size]) : -1;
    };
    begin = std::partition_point(begin, end, [&](const auto& token) { return byte(token) < next; });
    end = std::partition_point(begin, end, [&](const auto& token) { return byte(token) == next; });
    if (begin == end) break;
    if (begin->text.size() == size + 1) longest = &*begin;
  }
  return longest;
}

std::vector<Stretch> AddedTokens::Split(std::string_view text, Round round,
                                        bool parse_special) const {
  const Index& index = round == Round::kAsWritten ? as_written_ : normalized_;
  std::vector<Stretch> stretches;
  size_t done = 0;
  size_t space_end = 0;  // of the last white space that was taken: matches may lie inside it
  for (size_t at = 0; at < text.size();) {
    const AddedToken* const token = Longest(index, text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->text.size();
    at = end;
    if (token->special && !parse_special) continue;
    if (token->single_word && (IsWord(LastCharacter(text.substr(0, begin))) ||
                               IsWord(FirstCharacter(text.substr(end))))) {
      continue;
    }
    if (token->lstrip) begin -= SpaceAtEnd(text.substr(done, begin - std::min(done, begin)));
    if (token->rstrip) {
      if (end >= space_end) space_end = end + SpaceAtStart(text.substr(end));
      end = space_end;
    }
    if (begin > done) stretches.push_back({-1, text.substr(done, begin - done)});
    stretches.push_back({token->id, text.substr(begin, end - begin)});
    done = end;
  }
  if (done < text.size()) stretches.push_back({-1, text.substr(done)});
  return stretches;
}

}  // namespace temper::model
