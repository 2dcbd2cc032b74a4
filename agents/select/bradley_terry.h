// Strengths from pairwise outcomes: the model of Bradley and Terry (1952), p(i beats j) =
// sigmoid(s_i - s_j).
#pragma once

#include <span>
#include <vector>

namespace temper::agents {

struct PairOutcome {
  int first = 0;
  int second = 0;
  double share = 0.5;  // of the point that went to `first`, in [0, 1]; a tie is half a win
  double weight = 1;   // games that this stands for
};

struct BradleyTerry {
  std::vector<double> strengths;  // in logits; 0 is the strength of the imagined opponent
  int steps = 0;
  bool converged = false;
};

// The maximum of the likelihood and a prior: everyone has also drawn `prior` games against one
// imagined opponent of strength 0. Without it unbeaten candidates would be infinitely strong, and
// groups that never met could not be compared (Hunter, 2004, assumption 1); with it there is always
// exactly one answer. By Newton's method with halved steps; the function is concave. prior > 0;
// 0 <= first, second < candidates.
BradleyTerry FitBradleyTerry(int candidates, std::span<const PairOutcome> outcomes,
                             double prior = 0.1);

}  // namespace temper::agents
