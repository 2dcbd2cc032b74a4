// Both formats end in the same check.
#include "agents/select/judgement/genrm.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agents/select/judgement/reply_text.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace temper::agents {
namespace {

absl::Status CheckRanges(const GenRmJudgement& judgement, int responses, std::string_view reply) {
  if (static_cast<int>(judgement.scores.size()) != responses) {
    return absl::InvalidArgumentError(absl::StrCat(judgement.scores.size(), " scores for ",
                                                   responses, " responses in the reply ",
                                                   HeadOf(reply)));
  }
  for (const double score : judgement.scores) {
    if (score >= 1 && score <= 5) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("a score of ", score, ", expected 1 to 5, in the reply ", HeadOf(reply)));
  }
  if (responses == 2 && !(judgement.ranking >= 1 && judgement.ranking <= 6)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a ranking of ", judgement.ranking, ", expected 1 to 6, in the reply ", HeadOf(reply)));
  }
  return absl::OkStatus();
}

// The numbers of the first box behind the last "[The Begin of NAME]".
absl::StatusOr<std::vector<double>> Boxed(std::string_view reply, std::string_view name) {
  const std::string begin = absl::StrCat("[The Begin of ", std::string(name), "]");
  const std::string end = absl::StrCat("[The End of ", std::string(name), "]");
  const size_t at = reply.rfind(begin);
  if (at == reply.npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("no \"", begin, "\" in the reply ", HeadOf(reply)));
  }
  std::string_view section = reply.substr(at + begin.size());
  section = section.substr(0, section.find(end));
  constexpr std::string_view kBox = "\\boxed{";
  const size_t box = section.find(kBox);
  const size_t close = box == section.npos ? section.npos : section.find('}', box);
  if (close == section.npos) {
    return absl::InvalidArgumentError(absl::StrCat("no \\boxed{...} behind \"", begin,
                                                   "\", which is followed by ", HeadOf(section)));
  }
  const std::string_view inside = section.substr(box + kBox.size(), close - box - kBox.size());
  std::vector<double> numbers;
  for (const std::string& part :
       std::vector<std::string>(absl::StrSplit(std::string(inside), ','))) {
    const std::optional<double> number = ReadDecimal(part);
    if (!number.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("found ", HeadOf(part), " where a number belongs, behind \"", begin, "\""));
    }
    numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace

double GenRmJudgement::Preference() const {
  TEMPER_CHECK(scores.size() == 2);
  return (6 - ranking) / 5;
}

absl::StatusOr<GenRmJudgement> ReadGenRmText(std::string_view reply, int responses) {
  TEMPER_CHECK(responses == 1 || responses == 2);
  const std::string_view answer = AfterThinking(reply);
  GenRmJudgement judgement;
  TEMPER_ASSIGN_OR_RETURN(judgement.scores, Boxed(answer, "Individual Scores"));
  if (responses == 2) {
    TEMPER_ASSIGN_OR_RETURN(const std::vector<double> ranking, Boxed(answer, "Ranking Score"));
    if (ranking.size() != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat(ranking.size(), " rankings, expected one, in the reply ", HeadOf(answer)));
    }
    judgement.ranking = ranking[0];
  }
  TEMPER_RETURN_IF_ERROR(CheckRanges(judgement, responses, answer));
  return judgement;
}

absl::StatusOr<GenRmJudgement> ReadGenRmJson(std::string_view reply, int responses) {
  TEMPER_CHECK(responses == 1 || responses == 2);
  const std::string_view answer = AfterThinking(reply);
  GenRmJudgement judgement;
  if (responses == 1) {
    TEMPER_ASSIGN_OR_RETURN(const auto object, LastObjectWith(answer, {"score_1"}));
    TEMPER_ASSIGN_OR_RETURN(const double score, NumberOf(object["score_1"], "score_1"));
    judgement.scores = {score};
  } else {
    TEMPER_ASSIGN_OR_RETURN(const auto object,
                            LastObjectWith(answer, {"score_1", "score_2", "ranking"}));
    TEMPER_ASSIGN_OR_RETURN(const double first, NumberOf(object["score_1"], "score_1"));
    TEMPER_ASSIGN_OR_RETURN(const double second, NumberOf(object["score_2"], "score_2"));
    TEMPER_ASSIGN_OR_RETURN(judgement.ranking, NumberOf(object["ranking"], "ranking"));
    judgement.scores = {first, second};
  }
  TEMPER_RETURN_IF_ERROR(CheckRanges(judgement, responses, answer));
  return judgement;
}

}  // namespace temper::agents
