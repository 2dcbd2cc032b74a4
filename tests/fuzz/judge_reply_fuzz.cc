// Feeds arbitrary replies to the readers of judges' replies, to votes and to filters. The first
// byte chooses one response or two.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "agents/select/constructive.h"
#include "agents/select/filters.h"
#include "agents/select/judgement/genrm.h"
#include "agents/select/judgement/reply_text.h"
#include "agents/select/judgement/reward_reply.h"
#include "agents/select/judgement/rubric_rule.h"
#include "agents/select/judgement/verdict.h"
#include "agents/select/judgement/yes_no.h"
#include "agents/select/vote.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

// A number or words: never a NaN, and a failure says something.
void Check(const absl::StatusOr<double>& number) {
  Require(number.ok() ? std::isfinite(*number) : !number.status().message().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace temper::agents;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const int responses = 1 + bytes[0] % 2;
  const std::string reply(reinterpret_cast<const char*>(bytes + 1), size - 1);
  for (const auto& judgement : {ReadGenRmText(reply, responses), ReadGenRmJson(reply, responses)}) {
    if (!judgement.ok()) continue;
    Require(static_cast<int>(judgement->scores.size()) == responses);
    if (responses == 2) Require(judgement->Preference() >= 0 && judgement->Preference() <= 1);
  }
  if (const auto rewards = ParseRewards(reply); rewards.ok()) {
    Require(!rewards->empty());
    for (const char* attribute : {"", "helpfulness"}) Check(RewardNamed(*rewards, attribute));
  }
  Check(ReadRating(reply));
  Check(ReadWildBenchScore(reply));
  static const RubricRule& pattern = *new RubricRule(*RubricRule::Pattern(R"(score\D*(\d*))"));
  static const RubricRule& pointer = *new RubricRule(*RubricRule::Pointer("/a/0"));
  Check(pattern.Read(reply));
  Check(pointer.Read(reply));
  for (const VerdictRule rule : {VerdictRule::kLast, VerdictRule::kOnly}) {
    (void)ReadArenaVerdict(reply, rule);
  }
  (void)ReadPairVerdict(reply);
  (void)ReadWildBenchChoice(reply);
  (void)ReadYesNo({{reply, -0.5}, {"yes", -1}});
  (void)ReadHelpfulnessLevel(reply);
  Require(KeepConstructive({reply, reply}, 1).front() == 0);
  Require(KeepDistinct({reply, reply}).size() == 1);
  Require(KeepChanged({reply}, {reply}).empty());
  (void)ChooseByVote({reply, "a"}, 1);
  return 0;
}
