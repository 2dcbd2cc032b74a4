// Matches, and for a knockout the rounds that make them.
#include "agents/select/pairwise_contest.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/select/bradley_terry.h"
#include "agents/select/ranked.h"
#include "base/check.h"

namespace temper::agents {
namespace {

using Method = PairwiseContest::Method;

absl::Status CheckOptions(int candidates, const PairwiseContest::Options& options) {
  if (candidates < 1 || candidates > PairwiseContest::kCandidatesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "select: ", candidates, " candidates, expected 1 to ", PairwiseContest::kCandidatesMax));
  }
  if (options.keep < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("select: keep ", options.keep, ", expected at least 1"));
  }
  if (options.circular && options.method != Method::kPairs) {
    return absl::InvalidArgumentError(
        "select: `circular` goes with by \"pairs\" only; a knockout and a league name their own "
        "pairs");
  }
  if (options.thrifty && (options.method != Method::kKnockout || !options.swap)) {
    return absl::InvalidArgumentError(
        "select: `thrifty` goes with by \"knockout\" and swap only: elsewhere every game counts");
  }
  return absl::OkStatus();
}

// How many matches a knockout's round has: the first brings the field to keep * 2^r, later ones
// halve it.
int RoundMatches(int alive, int keep) {
  int even = keep;
  while (even * 2 <= alive) even *= 2;
  return even < alive ? alive - even : (alive - keep > 0 ? alive / 2 : 0);
}

}  // namespace

absl::StatusOr<PairwiseContest> PairwiseContest::Create(int candidates, const Options& options) {
  if (absl::Status status = CheckOptions(candidates, options); !status.ok()) return status;
  return PairwiseContest(candidates, options);
}

PairwiseContest::PairwiseContest(int candidates, const Options& options)
    : candidates_(candidates), options_(options), rounds_(candidates), firsts_(candidates) {
  for (int i = 0; i < candidates; ++i) alive_.push_back(i);
  if (candidates <= options.keep) return;
  if (options.method == Method::kKnockout) {
    NextRound();
    return;
  }
  for (const Pairing pairing : options.circular ? Circle(candidates) : EveryPair(candidates)) {
    AddMatch(pairing);
  }
}

void PairwiseContest::AddMatch(Pairing pairing) {
  const Match::Orders orders = !options_.swap     ? Match::Orders::kOne
                               : options_.thrifty ? Match::Orders::kIfNeeded
                                                  : Match::Orders::kBoth;
  matches_.emplace_back(pairing, orders);
  for (const Pairing game : matches_.back().Open()) open_[game] = matches_.size() - 1;
}

// Of those that play, the earliest meets the latest; the rest have a bye.
void PairwiseContest::NextRound() {
  round_begin_ = matches_.size();
  const int count = RoundMatches(static_cast<int>(alive_.size()), options_.keep);
  const std::vector<int> playing(alive_.end() - 2 * count, alive_.end());
  for (int i = 0; i < count; ++i) {
    const int early = playing[i];
    const int late = playing[playing.size() - 1 - i];
    // Where the order is asked once: first is who has been first less often.
    const bool early_first =
        firsts_[early] != firsts_[late] ? firsts_[early] < firsts_[late] : i % 2 == 0;
    const Pairing pairing = early_first ? Pairing{early, late} : Pairing{late, early};
    ++firsts_[pairing.first];
    --firsts_[pairing.second];
    AddMatch(pairing);
  }
}

std::vector<Pairing> PairwiseContest::Open() const {
  std::vector<Pairing> open;
  for (size_t i = round_begin_; i < matches_.size(); ++i) {
    for (const Pairing game : matches_[i].Open()) open.push_back(game);
  }
  return open;
}

absl::Status PairwiseContest::Deliver(Pairing pairing, std::optional<double> preference) {
  const auto at = open_.find(pairing);
  if (at == open_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("select: candidates ", pairing.first, " and ", pairing.second,
                     " in this order are not open: never asked for, or delivered before"));
  }
  if (preference.has_value() && !(*preference >= 0 && *preference <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("select: a preference of ", *preference, ", expected one in [0, 1]"));
  }
  const size_t index = at->second;
  open_.erase(at);
  matches_[index].Deliver(pairing, preference);
  for (const Pairing game : matches_[index].Open()) open_[game] = index;
  if (options_.method != Method::kKnockout || !open_.empty()) return absl::OkStatus();

  for (size_t i = round_begin_; i < matches_.size(); ++i) {
    const std::optional<double> outcome = matches_[i].outcome();
    const bool later_wins = outcome.has_value() && Match::Sign(*outcome) < 0;
    const int loser = later_wins ? matches_[i].earlier() : matches_[i].later();
    alive_.erase(std::find(alive_.begin(), alive_.end(), loser));
  }
  for (const int candidate : alive_) ++rounds_[candidate];
  NextRound();
  return absl::OkStatus();
}

int64_t PairwiseContest::games_max() const {
  const int64_t n = candidates_;
  if (n <= options_.keep) return 0;
  const int64_t pairs = options_.method == Method::kKnockout ? n - options_.keep
                        : options_.circular                  ? (n == 2 ? 1 : n)
                                                             : n * (n - 1) / 2;
  return options_.swap ? 2 * pairs : pairs;
}

Decision PairwiseContest::DecideKnockout() const {
  Decision decision;
  decision.kept = alive_;
  for (int i = 0; i < candidates_; ++i) decision.ranking.push_back(i);
  std::stable_sort(decision.ranking.begin(), decision.ranking.end(),
                   [&](int a, int b) { return rounds_[a] > rounds_[b]; });
  std::vector<double> won(candidates_, 0);
  for (const Match& match : matches_) {
    const std::optional<double> outcome = match.outcome();
    const int sign = outcome.has_value() ? Match::Sign(*outcome) : 0;
    if (sign == 0) decision.by_lineage = true;
    ++won[sign < 0 ? match.later() : match.earlier()];
  }
  decision.scores.assign(won.begin(), won.end());
  return decision;
}

Decision PairwiseContest::DecideLeague() const {
  std::vector<double> won(candidates_, 0);
  std::vector<int> judged(candidates_, 0);
  for (const Match& match : matches_) {
    const std::optional<double> outcome = match.outcome();
    if (!outcome.has_value()) continue;
    const double share = 0.5 + 0.5 * Match::Sign(*outcome);
    won[match.earlier()] += share;
    won[match.later()] += 1 - share;
    ++judged[match.earlier()];
    ++judged[match.later()];
  }
  std::vector<std::optional<double>> rates(candidates_);
  for (int i = 0; i < candidates_; ++i) {
    if (judged[i] > 0) rates[i] = won[i] / judged[i];
  }
  return Ranked(std::move(rates), options_.keep);
}

Decision PairwiseContest::DecidePairs() const {
  std::vector<PairOutcome> outcomes;
  std::vector<bool> judged(candidates_);
  for (const Match& match : matches_) {
    const std::optional<double> outcome = match.outcome();
    if (!outcome.has_value()) continue;
    outcomes.push_back({match.earlier(), match.later(), *outcome});
    judged[match.earlier()] = judged[match.later()] = true;
  }
  const BradleyTerry fit = FitBradleyTerry(candidates_, outcomes);
  std::vector<std::optional<double>> strengths(candidates_);
  for (int i = 0; i < candidates_; ++i) {
    // To nine digits: candidates with the same results are equal, whatever the rounding did.
    if (judged[i]) strengths[i] = std::round(fit.strengths[i] * 1e9) / 1e9;
  }
  return Ranked(std::move(strengths), options_.keep);
}

absl::StatusOr<Decision> PairwiseContest::decision() const {
  if (!decided()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "select: ", open_.size(), " comparisons are still to be delivered; none is decided yet"));
  }
  if (candidates_ <= options_.keep) {
    Decision all;
    all.kept = all.ranking = alive_;
    all.scores.resize(candidates_);
    return all;
  }
  Decision::Pairwise counts;
  for (const Match& match : matches_) {
    const std::optional<double> outcome = match.outcome();
    counts.games += match.games();
    counts.invalid += match.invalid();
    counts.unjudged += outcome.has_value() ? 0 : 1;
    counts.ties += outcome.has_value() && Match::Sign(*outcome) == 0 ? 1 : 0;
    counts.pairs_both_ways += match.both_ways() ? 1 : 0;
    counts.flips += match.flipped() ? 1 : 0;
  }
  if (counts.unjudged == static_cast<int>(matches_.size())) {
    return absl::FailedPreconditionError(
        absl::StrCat("select: none of ", matches_.size(), " pairs of ", candidates_,
                     " candidates could be judged (", counts.invalid, " of ", counts.games,
                     " answers of the judge failed); see its failures"));
  }
  Decision decision = options_.method == Method::kKnockout ? DecideKnockout()
                      : options_.method == Method::kLeague ? DecideLeague()
                                                           : DecidePairs();
  decision.pairwise = counts;
  return decision;
}

}  // namespace temper::agents
