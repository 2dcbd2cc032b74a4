// What a selection came to, and how sure one may be of it.
#pragma once

#include <optional>
#include <vector>

namespace temper::agents {

struct Decision {
  std::vector<int> kept;     // in lineage order
  std::vector<int> ranking;  // best first; candidates that are out are not in it
  // Of each candidate: its score, matches won, win rate, strength or votes, by method. Empty where
  // there is none.
  std::vector<std::optional<double>> scores;
  std::vector<int> out;  // could not be judged at all, in lineage order
  // The line between kept and not kept was drawn by lineage order, among equals.
  bool by_lineage = false;

  // Of pairwise methods.
  struct Pairwise {
    int games = 0;     // delivered
    int invalid = 0;   // of these: the judge failed
    int ties = 0;      // pairs that were judged equal
    int unjudged = 0;  // pairs without a valid outcome; in a knockout the earlier candidate went on
    int pairs_both_ways = 0;  // judged in both orders
    int flips = 0;            // of these: another winner when the order changed
    double flip_rate() const {
      return pairs_both_ways > 0 ? static_cast<double>(flips) / pairs_both_ways : 0;
    }
  };
  Pairwise pairwise;
};

}  // namespace temper::agents
