// Splitting, step after step; what a behavior does with matches is what the tokenizers library
// does.
#include "policy/model/tokenizer/splitter.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace temper::model {
namespace {

using Behavior = SplitStep::Behavior;

struct Part {
  std::string_view text;
  bool match;
};

// Matches and what lies between them, covering the piece; only a match may be empty.
void FindParts(const SplitStep& step, std::string_view piece,
               std::vector<TextPattern::Match>& matches, std::vector<Part>& parts) {
  matches.clear();
  parts.clear();
  step.pattern.front().FindAll(piece, matches);
  size_t at = 0;
  for (const TextPattern::Match& match : matches) {
    if (match.begin > at) parts.push_back({piece.substr(at, match.begin - at), step.invert});
    parts.push_back({piece.substr(match.begin, match.end - match.begin), !step.invert});
    at = match.end;
  }
  if (at < piece.size()) parts.push_back({piece.substr(at), step.invert});
}

// True when `part` belongs to the piece that ends before it.
bool Joins(Behavior behavior, bool previous_match, const Part& part) {
  switch (behavior) {
    case Behavior::kMergedWithPrevious:
      return part.match && !previous_match;
    case Behavior::kMergedWithNext:
      return !part.match && previous_match;
    case Behavior::kContiguous:
      return part.match == previous_match;
    default:
      return false;
  }
}

// Appends the pieces that a behavior makes of `parts`; those that stay empty are left out.
void JoinParts(Behavior behavior, const std::vector<Part>& parts,
               std::vector<std::string_view>& pieces) {
  std::string_view piece;
  bool previous_match = false;
  for (const Part& part : parts) {
    if (behavior == Behavior::kRemoved && part.match) continue;
    if (Joins(behavior, previous_match, part) && piece.data() != nullptr) {
      piece = std::string_view(piece.data(), piece.size() + part.text.size());
    } else {
      if (!piece.empty()) pieces.push_back(piece);
      piece = part.text;
    }
    previous_match = part.match;
  }
  if (!piece.empty()) pieces.push_back(piece);
}

}  // namespace

std::vector<std::string_view> Splitter::Split(std::string_view text,
                                              std::deque<std::string>& owned) const {
  std::vector<std::string_view> pieces, next;
  if (!text.empty()) pieces.push_back(text);
  std::vector<TextPattern::Match> matches;
  std::vector<Part> parts;
  for (const SplitStep& step : steps_) {
    next.clear();
    for (std::string_view piece : pieces) {
      if (step.add_prefix_space && !piece.starts_with(' ')) {
        piece = owned.emplace_back(absl::StrCat(" ", std::string(piece)));
      }
      if (step.pattern.empty()) {
        next.push_back(piece);
        continue;
      }
      FindParts(step, piece, matches, parts);
      JoinParts(step.behavior, parts, next);
    }
    pieces.swap(next);
  }
  return pieces;
}

}  // namespace temper::model
