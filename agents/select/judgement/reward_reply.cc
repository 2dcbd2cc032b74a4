// Pairs parted by commas; a pair is a name, a colon and a number.
#include "agents/select/judgement/reward_reply.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agents/select/judgement/reply_text.h"
#include "agents/select/normal_text.h"

namespace temper::agents {

absl::StatusOr<double> ReadReward(std::string_view reply, std::string_view attribute) {
  const std::string_view answer = AfterThinking(reply);
  std::vector<std::pair<std::string, double>> pairs;
  const std::vector<std::string> parts =
      absl::StrSplit(std::string(answer), absl::ByAnyChar(",\n"));
  for (const std::string_view part : parts) {
    if (Trimmed(part).empty()) continue;
    const size_t colon = part.rfind(':');
    const std::string_view name = colon == part.npos ? "" : Trimmed(part.substr(0, colon));
    const std::optional<double> number =
        ReadDecimal(colon == part.npos ? part : part.substr(colon + 1));
    if (!number.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("found ", HeadOf(part),
                       ", expected attribute:number or a number, in the reply ", HeadOf(answer)));
    }
    pairs.emplace_back(name, *number);
  }
  std::string names;
  for (const auto& [name, number] : pairs) {
    absl::StrAppend(&names, names.empty() ? "\"" : ", \"", name, "\"");
    const bool wanted = attribute.empty() ? pairs.size() == 1
                                          : absl::EqualsIgnoreCase(name, std::string(attribute));
    if (wanted) return number;
  }
  if (pairs.empty()) return absl::InvalidArgumentError("an empty reply where a reward belongs");
  return absl::InvalidArgumentError(absl::StrCat(
      attribute.empty() ? "several attributes; name one of them"
                        : absl::StrCat("no attribute \"", std::string(attribute), "\"; there are"),
      " ", HeadOf(names)));
}

}  // namespace temper::agents
