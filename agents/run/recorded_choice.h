// The candidates that an execution's last selection chose among, by the axes that they lie on: what
// scaling curves are computed from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/run/execution.h"

namespace temper::agents {

struct ChoiceCandidate {
  int32_t outer = 0;             // index on the outer axis
  std::optional<int32_t> inner;  // on the inner one; none: the outer element itself
  std::optional<double> score;   // the selector's
};

struct RecordedChoice {
  std::string outer_name, inner_name;  // axes; inner_name "" where there is none
  std::vector<ChoiceCandidate> candidates;
  // Axes whose elements went into a prompt together: another number of them asks anew.
  struct Pooled {
    std::string name;
    int64_t n = 0;
    std::vector<std::string> nodes;  // whose calls a smaller number would cost
    int64_t calls = 0;               // of this execution
  };
  std::vector<Pooled> pooled;
};

// FAILED_PRECONDITION: the output is no selection by score, or its candidates lie on more than two
// axes.
absl::StatusOr<RecordedChoice> ChoiceOf(const Execution& execution);

}  // namespace temper::agents
