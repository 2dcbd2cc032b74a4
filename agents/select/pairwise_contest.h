// Select by comparing two at a time: says which comparisons it needs, takes what judges answered,
// and decides.
//
// A pure state machine, one thread. What it decides depends on the answers, never on the order in
// which they come. A judge's failure is no answer: it never counts as a tie.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/select/decision.h"
#include "agents/select/match.h"
#include "agents/select/schedule.h"

namespace temper::agents {

class PairwiseContest {
 public:
  enum class Method {
    // Losers are out until `keep` are left: n - keep matches. The first round gives the earliest
    // candidates a bye where that is needed to make later rounds even; in every round the earliest
    // meets the latest. Equals and pairs that could not be judged: the earlier one goes on, which
    // is flagged. scores: matches won. Ranking: how far one came, then lineage.
    kKnockout,
    // Every pair. scores: the share of judged pairs that were won, a tie being half a win.
    kLeague,
    // Every pair, or only neighbours (`circular`). scores: strengths by FitBradleyTerry over the
    // shares in which a candidate is preferred.
    kPairs,
  };
  struct Options {
    Method method = Method::kKnockout;
    int keep = 1;
    bool swap = true;       // every pair in both orders; else once, positions balanced
    bool circular = false;  // kPairs
    // kKnockout with swap: the second order is asked only where it can change who goes on. Cheaper,
    // but a round takes twice as long and flips are seen in fewer pairs.
    bool thrifty = false;
  };
  static constexpr int kCandidatesMax = 1024;

  // INVALID_ARGUMENT: no candidates or more than kCandidatesMax, keep below 1, options that do not
  // go together. One candidate, or as many as are kept, are kept without a question.
  static absl::StatusOr<PairwiseContest> Create(int candidates, const Options& options);

  // Games that are needed now and not delivered, in a fixed order; all may be asked at once.
  std::vector<Pairing> Open() const;

  // How far `first` is preferred: 1 better, 0.5 equal, 0 worse, or between; nothing: the judge
  // failed. INVALID_ARGUMENT: not open (never asked for, or delivered before), or not in [0, 1].
  absl::Status Deliver(Pairing pairing, std::optional<double> preference);

  bool decided() const { return Open().empty(); }

  // Once decided. In kLeague and kPairs a candidate without a single judged pair is out.
  // FAILED_PRECONDITION: not decided, or not one pair could be judged.
  absl::StatusOr<Decision> decision() const;

  // Games to the end, at most: for prices, before anything is asked.
  int64_t games_max() const;

 private:
  PairwiseContest(int candidates, const Options& options);
  void AddMatch(Pairing pairing);
  void NextRound();
  Decision DecideKnockout() const;
  Decision DecideLeague() const;
  Decision DecidePairs() const;

  int candidates_;
  Options options_;
  std::vector<Match> matches_;
  std::map<Pairing, size_t> open_;  // game -> match; those delivered are not in it
  // kKnockout
  std::vector<int> alive_;   // in lineage order
  std::vector<int> rounds_;  // of each candidate, survived
  std::vector<int> firsts_;  // of each candidate: games as first less games as second
  size_t round_begin_ = 0;   // matches_ from here on are this round's
};

}  // namespace temper::agents
