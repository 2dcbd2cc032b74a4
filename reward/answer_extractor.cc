// Reads a response once for its thinking and once for its boxes or its marker.
#include "reward/answer_extractor.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/nearest_name.h"
#include "base/trim.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

constexpr std::string_view kThink = "<think>";
constexpr std::string_view kThinkEnd = "</think>";
constexpr std::string_view kBox = "\\boxed";
constexpr std::string_view kHashMarker = "####";
constexpr char kNothing[] = "no answer found";

Extraction Found(std::string_view answer) {
  answer = Trimmed(answer);
  if (answer.empty()) return {.problem = "the answer is empty"};
  return {.found = true, .answer = std::string(answer)};
}

// Where a balanced box and what is in it stand in the text.
struct Box {
  size_t begin = 0;  // the backslash
  size_t inside = 0;
  size_t close = 0;  // the closing brace
};

// True where the brace at `brace` belongs to a \boxed; `begin` becomes the place of its backslash.
bool OpensBox(std::string_view text, size_t brace, size_t& begin) {
  size_t end = brace;
  while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\n') && brace - end < 4) --end;
  if (end < kBox.size() || text.substr(end - kBox.size(), kBox.size()) != kBox) return false;
  begin = end - kBox.size();
  return true;
}

// Balanced boxes in the order in which they open; one pass over the text.
std::vector<Box> BalancedBoxes(std::string_view text) {
  struct Open {
    size_t brace;
    size_t begin;
    bool box;
  };
  std::vector<Open> open;
  std::vector<Box> boxes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && !absl::ascii_isalpha(text[i + 1])) {
      ++i;  // an escaped brace is no brace
    } else if (text[i] == '{') {
      size_t begin = 0;
      const bool box = OpensBox(text, i, begin);
      open.push_back({i, begin, box});
    } else if (text[i] == '}' && !open.empty()) {
      if (open.back().box) boxes.push_back({open.back().begin, open.back().brace + 1, i});
      open.pop_back();
    }
  }
  std::sort(boxes.begin(), boxes.end(),
            [](const Box& a, const Box& b) { return a.begin < b.begin; });
  return boxes;
}

// True when nothing but "or", "and" and punctuation stands between two boxes.
bool OfferedTogether(std::string_view between) {
  constexpr size_t kLongest = 64;
  if (between.size() > kLongest) return false;
  std::string words;
  for (const char c : between) {
    const bool letter = absl::ascii_isalnum(static_cast<unsigned char>(c));
    if (letter || static_cast<unsigned char>(c) >= 0x80) words += absl::ascii_tolower(c);
  }
  return words.empty() || words == "or" || words == "and" || words == "andor" ||
         words == "textor" || words == "textand" || words == "quad" || words == "qquad";
}

Extraction LastBox(std::string_view text) {
  const std::vector<Box> boxes = BalancedBoxes(text);
  if (boxes.empty()) return {.problem = kNothing};
  const auto inside = [&](const Box& box) {
    return Trimmed(text.substr(box.inside, box.close - box.inside));
  };
  const Box& last = boxes.back();
  if (boxes.size() > 1) {
    const Box& before = boxes[boxes.size() - 2];
    const bool nested = before.close > last.begin;
    if (!nested && inside(before) != inside(last) &&
        OfferedTogether(text.substr(before.close + 1, last.begin - before.close - 1))) {
      return {.problem = std::string(kSeveralAnswers)};
    }
  }
  return Found(inside(last));
}

Extraction AfterLast(std::string_view text, std::string_view marker) {
  const size_t at = text.rfind(marker);
  if (at == std::string_view::npos) return {.problem = kNothing};
  std::string_view rest = Trimmed(text.substr(at + marker.size()));
  return Found(rest.substr(0, std::min(rest.find('\n'), rest.size())));
}

std::string NearestHint(std::string_view place) {
  static const std::string known[] = {"auto", "boxed", "hash", "after"};
  const std::string nearest = NearestName(place, known);
  return nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?");
}

}  // namespace

absl::StatusOr<AnswerExtractor> AnswerExtractor::Create(std::string_view place,
                                                        std::string_view marker) {
  AnswerPlace chosen = AnswerPlace::kAuto;
  if (place == "boxed") {
    chosen = AnswerPlace::kBoxed;
  } else if (place == "hash") {
    chosen = AnswerPlace::kHash;
  } else if (place == "after") {
    chosen = AnswerPlace::kAfter;
  } else if (!place.empty() && place != "auto") {
    return absl::InvalidArgumentError(absl::StrCat("extract: found ", Quoted(place),
                                                   ", expected auto, boxed, hash or after",
                                                   NearestHint(place)));
  }
  if (chosen == AnswerPlace::kAfter && Trimmed(marker).empty()) {
    return absl::InvalidArgumentError(
        "marker: \"extract\": \"after\" needs the text that stands before the answer, e.g. "
        "\"marker\": \"#\"");
  }
  if (chosen != AnswerPlace::kAfter && !marker.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "marker: found ", Quoted(marker), ", but only \"extract\": \"after\" uses a marker"));
  }
  return AnswerExtractor(chosen, std::string(marker));
}

std::string WithoutThinking(std::string_view text) {
  std::string kept;
  size_t at = 0;
  while (at < text.size()) {
    const size_t open = std::min(text.find(kThink, at), text.size());
    const std::string_view outside = text.substr(at, open - at);
    // A stray end means that everything before it was thought.
    if (const size_t stray = outside.rfind(kThinkEnd); stray != std::string_view::npos) {
      kept.assign(outside.substr(stray + kThinkEnd.size()));
    } else {
      kept.append(outside);
    }
    if (open == text.size()) break;
    const size_t close = text.find(kThinkEnd, open);
    if (close == std::string_view::npos) break;
    at = close + kThinkEnd.size();
  }
  return kept;
}

Extraction AnswerExtractor::Extract(std::string_view text) const {
  const std::string said = WithoutThinking(text);
  if (place_ == AnswerPlace::kHash) return AfterLast(said, kHashMarker);
  if (place_ == AnswerPlace::kAfter) return AfterLast(said, marker_);
  Extraction box = LastBox(said);
  const bool no_box = !box.found && box.problem == kNothing;
  return place_ == AnswerPlace::kAuto && no_box ? AfterLast(said, kHashMarker) : box;
}

}  // namespace temper::reward
