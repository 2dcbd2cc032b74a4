// Comparing by bits: -0 is not 0, and a NaN is itself.
#include "orchestrator/replay/tally.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/digest.h"

namespace temper::orchestrator {
namespace {

constexpr std::string_view kNames[] = {"tokens", "logprobs", "rewards", "advantages", "weights"};

std::string PlaceOf(const v1::Episode& episode) {
  return absl::StrCat("group ", episode.group_id(), " sample ", episode.sample());
}

std::string Number(double value) { return absl::StrFormat("%.17g", value); }

void Add(v1::ReplayComparison& kind, bool equal, const auto& words) {
  kind.set_compared(kind.compared() + 1);
  if (equal) return;
  kind.set_differing(kind.differing() + 1);
  if (kind.first_difference().empty()) kind.set_first_difference(words());
}

// Position by position; what one of them lacks is a difference. `same` and `word` take an index
// that both have, or a field and an index.
template <class Field>
void AddFields(v1::ReplayComparison& kind, const std::string& what, const Field& recorded,
               const Field& redone, const auto& same, const auto& word) {
  const int most = std::max(recorded.size(), redone.size());
  for (int i = 0; i < most; ++i) {
    const bool both = i < recorded.size() && i < redone.size();
    Add(kind, both && same(recorded[i], redone[i]), [&] {
      const std::string before = i < recorded.size() ? word(recorded[i]) : "nothing";
      const std::string now = i < redone.size() ? word(redone[i]) : "nothing";
      return absl::StrCat(what, " ", i, ": recorded ", before, ", made again ", now);
    });
  }
}

bool SameId(int32_t a, int32_t b) { return a == b; }
std::string IdWord(int32_t id) { return absl::StrCat(id); }
bool SameBits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }
std::string BitsWord(float value) {
  return absl::StrFormat("%.9g (bits %08x)", value, std::bit_cast<uint32_t>(value));
}

}  // namespace

ReplayTally::ReplayTally() {
  for (size_t i = 0; i < kinds_.size(); ++i) kinds_[i].set_name(std::string(kNames[i]));
}

void ReplayTally::AddText(const v1::Episode& recorded, const v1::Episode& redone,
                          const std::string& place) {
  if (!std::equal(recorded.forced().begin(), recorded.forced().end(), redone.forced().begin(),
                  redone.forced().end())) {
    AddDifference(Compared::kTokens, absl::StrCat(place, ": other tokens were put in"));
  } else if (recorded.text() != redone.text()) {
    AddDifference(Compared::kTokens, absl::StrCat(place, ": the same tokens read otherwise"));
  } else if (recorded.finish_reason() != redone.finish_reason()) {
    AddDifference(
        Compared::kTokens,
        absl::StrCat(place, ": recorded ", v1::FinishReason_Name(recorded.finish_reason()),
                     ", made again ", v1::FinishReason_Name(redone.finish_reason())));
  }
}

void ReplayTally::AddEpisode(const v1::Episode& recorded, const v1::Episode& redone) {
  const std::string place = PlaceOf(recorded);
  v1::ReplayComparison& tokens = Of(Compared::kTokens);
  const int64_t before = tokens.differing();
  AddFields(tokens, place + " prompt token", recorded.prompt_tokens(), redone.prompt_tokens(),
            SameId, IdWord);
  AddFields(tokens, place + " token", recorded.tokens(), redone.tokens(), SameId, IdWord);
  if (tokens.differing() == before) AddText(recorded, redone, place);
  AddFields(Of(Compared::kLogprobs), place + " token", recorded.logprobs(), redone.logprobs(),
            SameBits, BitsWord);
}

void ReplayTally::AddNumber(Compared what, std::string_view place, double recorded, double redone) {
  Add(Of(what), std::bit_cast<uint64_t>(recorded) == std::bit_cast<uint64_t>(redone), [&] {
    return absl::StrCat(std::string(place), ": recorded ", Number(recorded), ", made again ",
                        Number(redone));
  });
}

void ReplayTally::AddWeights(int64_t version, std::string_view recorded, std::string_view redone) {
  Add(Of(Compared::kWeights), recorded == redone, [&] {
    return absl::StrCat("version ", version, ": recorded digest ", Hex(recorded), ", made again ",
                        Hex(redone));
  });
}

void ReplayTally::AddDifference(Compared what, const std::string& words) {
  Add(Of(what), false, [&] { return words; });
}

void ReplayTally::LeaveOut(Compared what, int64_t things, const std::string& why) {
  v1::ReplayComparison& kind = Of(what);
  kind.set_left_out(kind.left_out() + things);
  if (kind.left_out_why().empty()) kind.set_left_out_why(why);
}

v1::ReplayReport ReplayTally::Report() const {
  v1::ReplayReport report;
  int64_t compared = 0, differing = 0;
  for (const v1::ReplayComparison& kind : kinds_) {
    *report.add_comparisons() = kind;
    compared += kind.compared();
    differing += kind.differing();
  }
  report.set_equal(compared > 0 && differing == 0);
  return report;
}

}  // namespace temper::orchestrator
