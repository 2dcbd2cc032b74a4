// Pairs parted by commas or lines; a pair is a name, a colon and a number.
#include "agents/select/judgement/reward_reply.h"

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agents/select/judgement/reply_text.h"
#include "base/trim.h"

namespace temper::agents {

absl::StatusOr<Rewards> ParseRewards(std::string_view reply) {
  const std::string_view answer = Trimmed(AfterThinking(reply));
  if (answer.empty()) return absl::InvalidArgumentError("an empty reply where a reward belongs");
  Rewards rewards;
  const std::vector<std::string> parts =
      absl::StrSplit(std::string(answer), absl::ByAnyChar(",\n"));
  for (const std::string_view part : parts) {
    const size_t colon = part.find(':');
    const bool pair = colon != part.npos;
    const std::string_view name = pair ? Trimmed(part.substr(0, colon)) : "";
    const std::optional<double> number = ReadDecimal(pair ? part.substr(colon + 1) : part);
    if (!number.has_value() || (pair && name.empty())) {
      return absl::InvalidArgumentError(
          absl::StrCat("found ", HeadOf(part),
                       ", expected attribute:number or a number, in the reply ", HeadOf(answer)));
    }
    rewards.emplace_back(name, *number);
  }
  return rewards;
}

absl::StatusOr<double> RewardNamed(const Rewards& rewards, std::string_view attribute) {
  if (attribute.empty() && rewards.size() == 1) return rewards.front().second;
  std::string names;
  for (const auto& [name, number] : rewards) {
    if (!attribute.empty() && absl::EqualsIgnoreCase(name, std::string(attribute))) return number;
    absl::StrAppend(&names, names.empty() ? "" : ", ", name);
  }
  const std::string there = absl::StrCat("the server scores ", HeadOf(names));
  if (attribute.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(there, "; name one as \"attribute\""));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(there, ", and no \"", std::string(attribute), "\""));
}

}  // namespace temper::agents
