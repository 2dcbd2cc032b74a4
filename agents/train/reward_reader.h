// What the names of a reward expression stand for, at one sample.
#pragma once

#include <optional>
#include <string_view>

#include "agents/graph/expression.h"
#include "agents/run/execution.h"
#include "agents/train/sample_tree.h"

namespace temper::agents {

// "$name": the value that the sample sees of it, at its own lineage; scores are ScoreOf's.
class RewardReader : public ExpressionScope {
 public:
  struct Builtins {
    std::optional<double> gain, calibrated;
    bool unchanged = false;
  };
  RewardReader(const Execution& execution, const Sample& sample, Builtins builtins)
      : execution_(execution), sample_(sample), builtins_(builtins) {}

  Operand Get(const Reference& reference) const override;
  Operand Builtin(std::string_view name) const override;

 private:
  const Execution& execution_;
  const Sample& sample_;
  const Builtins builtins_;
};

}  // namespace temper::agents
