// Judges that answer Yes or No: log p(Yes) - log p(No) of the first token (RLBFF).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::agents {

struct YesNo {
  double value = 0;  // above 0: yes
  // One of the two was not among the tokens that the server lists; it is taken to be as likely as
  // the least likely one listed, which it cannot exceed. So |value| is a lower bound.
  bool bounded = false;
};

// `top`: tokens with their log-probabilities, those of the sampled token among them. All tokens
// that are "yes" or "no" in some case, with blanks or a tokenizer's mark of a blank before them,
// are added up. INVALID_ARGUMENT: neither of the two is listed, or a number is no log-probability.
absl::StatusOr<YesNo> ReadYesNo(const std::vector<std::pair<std::string, double>>& top);

}  // namespace temper::agents
