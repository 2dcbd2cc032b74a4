// Counts what is equal and what is not, bit by bit, and keeps the words of the first difference.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "temper/v1/controller.pb.h"
#include "temper/v1/episode.pb.h"

namespace temper::orchestrator {

enum class Compared { kTokens, kLogprobs, kRewards, kAdvantages, kWeights };

class ReplayTally {
 public:
  ReplayTally();

  // Tokens of prompt and response, which were put in, text and end; then the log-probs of tokens.
  // A token that is missing or too many differs.
  void AddEpisode(const v1::Episode& recorded, const v1::Episode& redone);
  // `place` names it for people: "group 17 sample 3".
  void AddNumber(Compared what, std::string_view place, double recorded, double redone);
  // ManifestDigest of a version.
  void AddWeights(int64_t version, std::string_view recorded, std::string_view redone);
  // One thing, which differs for a reason that is told.
  void AddDifference(Compared what, const std::string& words);
  // Things that cannot be compared here; the first reason stays.
  void LeaveOut(Compared what, int64_t things, const std::string& why);

  // equal: nothing differs and something was compared.
  v1::ReplayReport Report() const;

 private:
  v1::ReplayComparison& Of(Compared what) { return kinds_[static_cast<size_t>(what)]; }
  void AddText(const v1::Episode& recorded, const v1::Episode& redone, const std::string& place);

  std::array<v1::ReplayComparison, 5> kinds_;
};

}  // namespace temper::orchestrator
