// How much a feedback gives an editor to work with, by the words it uses. Free and deterministic.
//
// The feedback-edit system keeps its most constructive feedbacks by keywords (arXiv 2503.04378);
// its list is not published. This one is ours, English, in constructive_words.cc:
//   score = 2 x proposals ("should", "consider", "instead", ...)
//         + 1 x faults    ("missing", "incorrect", "lacks", ...)
//         + 0.5 x places  ("for example", "the second", "step", ..., a quotation, a number)
//         - 1 x praise    ("excellent", "no issues", ...)
// Every entry counts once however often it stands there, so that length alone wins nothing; words
// are whole words, in any case.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper::agents {

struct Constructiveness {
  int proposals = 0;
  int faults = 0;
  int places = 0;
  int praise = 0;
  double score() const { return 2.0 * proposals + faults + 0.5 * places - praise; }
};
Constructiveness MeasureConstructiveness(std::string_view feedback);

// HelpSteer3's feedback opens "The response is {not|slightly|partially|mostly|perfectly} helpful".
enum class HelpfulnessLevel {
  kNot = 0,
  kSlightly = 1,
  kPartially = 2,
  kMostly = 3,
  kPerfectly = 4
};
// From the first sentence, in any case; also "This response" and with "Response 1" or "2"; nothing
// where it does not open so.
std::optional<HelpfulnessLevel> ReadHelpfulnessLevel(std::string_view feedback);

// The table: its entries are in lower case, of words parted by one space.
enum class ConstructiveKind { kProposal, kFault, kPlace, kPraise };
struct ConstructiveWord {
  ConstructiveKind kind;
  std::string_view words;
};
const std::vector<ConstructiveWord>& ConstructiveWords();

}  // namespace temper::agents
