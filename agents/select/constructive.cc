// The feedback as " word word word ", in which an entry is a substring between spaces.
#include "agents/select/constructive.h"

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace temper::agents {
namespace {

bool IsWordByte(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 128;
}

// Lower case; words parted by one space, one before the first and one after the last. An apostrophe
// within a word stays, the typographic one as the plain one.
std::string Words(std::string_view text) {
  std::string words = " ";
  for (size_t i = 0; i < text.size(); ++i) {
    const bool curly = text.substr(i, 3) == "\xE2\x80\x99";
    const bool apostrophe = text[i] == '\'' || curly;
    const size_t next = curly ? i + 3 : i + 1;
    if (apostrophe && words.back() != ' ' && next < text.size() && IsWordByte(text[next])) {
      words.push_back('\'');
    } else if (!apostrophe && IsWordByte(text[i])) {
      words.push_back(absl::ascii_tolower(static_cast<unsigned char>(text[i])));
    } else if (words.back() != ' ') {
      words.push_back(' ');
    }
    i = next - 1;
  }
  if (words.back() != ' ') words.push_back(' ');
  return words;
}

bool Consume(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Whether `words` holds it; every one there becomes a full stop.
bool TakeOut(std::string& words, const std::string& entry) {
  size_t at = words.find(entry);
  if (at == words.npos) return false;
  for (; at != words.npos; at = words.find(entry, at)) words.replace(at, entry.size(), " . ");
  return true;
}

bool HasDigit(std::string_view text) {
  for (const char c : text) {
    if (absl::ascii_isdigit(static_cast<unsigned char>(c))) return true;
  }
  return false;
}

bool HasQuotation(std::string_view text) {
  const size_t open = text.find('"');
  return (open != text.npos && text.find('"', open + 1) != text.npos) ||
         text.find("\xE2\x80\x9C") != text.npos || text.find('`') != text.npos;
}

}  // namespace

Constructiveness MeasureConstructiveness(std::string_view feedback) {
  Constructiveness found;
  std::string words = Words(feedback);
  // Praise first, and out of the text: "no issues" is no issue.
  for (const ConstructiveWord& entry : ConstructiveWords()) {
    if (entry.kind != ConstructiveKind::kPraise) continue;
    found.praise += TakeOut(words, absl::StrCat(" ", std::string(entry.words), " ")) ? 1 : 0;
  }
  for (const ConstructiveWord& entry : ConstructiveWords()) {
    if (words.find(absl::StrCat(" ", std::string(entry.words), " ")) == words.npos) continue;
    found.proposals += entry.kind == ConstructiveKind::kProposal ? 1 : 0;
    found.faults += entry.kind == ConstructiveKind::kFault ? 1 : 0;
    found.places += entry.kind == ConstructiveKind::kPlace ? 1 : 0;
  }
  if (HasDigit(feedback)) ++found.places;
  if (HasQuotation(feedback)) ++found.places;
  return found;
}

std::optional<HelpfulnessLevel> ReadHelpfulnessLevel(std::string_view feedback) {
  const std::string words = Words(feedback.substr(0, 200));
  std::string_view rest = words;
  rest.remove_prefix(1);
  if (!Consume(rest, "the ")) Consume(rest, "this ");
  if (!Consume(rest, "response ")) return std::nullopt;
  if (!Consume(rest, "1 ")) Consume(rest, "2 ");
  if (!Consume(rest, "is ")) return std::nullopt;
  constexpr std::array<std::string_view, 5> kLevels = {"not", "slightly", "partially", "mostly",
                                                       "perfectly"};
  for (size_t i = 0; i < kLevels.size(); ++i) {
    if (rest.starts_with(absl::StrCat(std::string(kLevels[i]), " helpful "))) {
      return static_cast<HelpfulnessLevel>(i);
    }
  }
  return std::nullopt;
}

}  // namespace temper::agents
