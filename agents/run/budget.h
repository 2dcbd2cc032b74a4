// What one execution may cost: reserved before a call, settled after it, never exceeded.
#pragma once

#include <optional>
#include <string>

#include "agents/graph/graph.h"
#include "agents/run/store.h"

namespace temper::agents {

class Budget {
 public:
  // `spent`: by earlier processes, calls that were lost with them included.
  Budget(BudgetLimits limits, Cost spent) : limits_(limits), spent_(spent) {}

  // Whether this much more may be promised now.
  bool Fits(const Cost& more) const {
    return (!limits_.tokens || spent_.tokens + reserved_.tokens + more.tokens <= *limits_.tokens) &&
           (!limits_.calls || spent_.calls + reserved_.calls + more.calls <= *limits_.calls) &&
           (!limits_.usd || spent_.usd + reserved_.usd + more.usd <= *limits_.usd + 1e-12);
  }
  void Reserve(const Cost& cost) { reserved_.Add(cost); }
  // A call ended: its reservation is replaced by what it cost.
  void Settle(const Cost& reserved, const Cost& cost) {
    reserved_.tokens -= reserved.tokens;
    reserved_.usd -= reserved.usd;
    reserved_.calls -= reserved.calls;
    spent_.Add(cost);
  }
  const Cost& spent() const { return spent_; }
  const Cost& reserved() const { return reserved_; }
  const BudgetLimits& limits() const { return limits_; }

 private:
  const BudgetLimits limits_;
  Cost spent_, reserved_;
};

}  // namespace temper::agents
