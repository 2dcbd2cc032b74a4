// Ballots are counted by normal text; the first of a kind speaks for it.
#include "agents/select/vote.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/select/judgement/reply_text.h"
#include "agents/select/normal_text.h"
#include "agents/select/pattern.h"
#include "agents/select/ranked.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

struct Ballot {
  int first = 0;
  int votes = 0;
};

std::map<std::string, Ballot> Count(const std::vector<std::string>& ballots) {
  std::map<std::string, Ballot> counts;
  for (size_t i = 0; i < ballots.size(); ++i) {
    if (ballots[i].empty()) continue;
    const auto [at, fresh] = counts.try_emplace(ballots[i], Ballot{static_cast<int>(i), 0});
    ++at->second.votes;
  }
  return counts;
}

}  // namespace

absl::StatusOr<AnswerPattern> AnswerPattern::Create(const std::string& pattern) {
  TEMPER_ASSIGN_OR_RETURN(std::shared_ptr<const re2::RE2> compiled, CompileReadingPattern(pattern));
  return AnswerPattern(std::move(compiled));
}

std::optional<std::string> AnswerPattern::Read(std::string_view text) const {
  return LastGroup(*pattern_, AfterThinking(text));
}

absl::StatusOr<Decision> ChooseByVote(const std::vector<std::optional<std::string>>& answers,
                                      int keep) {
  if (answers.empty()) return absl::InvalidArgumentError("select by vote: there are no candidates");
  if (keep < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("select by vote: keep ", keep, ", expected at least 1"));
  }
  std::vector<std::string> ballots(answers.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].has_value()) ballots[i] = NormalText(*answers[i]);
  }
  const std::map<std::string, Ballot> counts = Count(ballots);
  if (counts.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "select by vote: none of the ", answers.size(), " candidates gives an answer to count"));
  }
  // Those that stand for an answer are ranked; the rest follow.
  std::vector<std::optional<double>> standing(answers.size()), votes(answers.size());
  std::vector<int> followers;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (ballots[i].empty()) continue;
    const Ballot& ballot = counts.at(ballots[i]);
    votes[i] = ballot.votes;
    if (ballot.first == static_cast<int>(i)) {
      standing[i] = ballot.votes;
    } else {
      followers.push_back(static_cast<int>(i));
    }
  }
  Decision decision = Ranked(std::move(standing), keep);
  std::stable_sort(followers.begin(), followers.end(),
                   [&](int a, int b) { return *votes[a] > *votes[b]; });
  decision.ranking.insert(decision.ranking.end(), followers.begin(), followers.end());
  decision.out.clear();
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!votes[i].has_value()) decision.out.push_back(static_cast<int>(i));
  }
  decision.scores = std::move(votes);
  return decision;
}

}  // namespace temper::agents
