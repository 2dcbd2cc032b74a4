// How many requests an endpoint has under way: down by half when it is too much for the server, up
// by one after a while of success.
//
// Pure; one thread.
#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace temper::agents {

class ConcurrencyLimit {
 public:
  // Begins at `most`, and never leaves 1 .. most. `grow_after`: successes for one more.
  ConcurrencyLimit(int most, int grow_after)
      : most_(std::max(most, 1)), grow_after_(std::max(grow_after, 1)), now_(most_) {}

  int now() const { return now_; }

  // Says whether the limit has grown.
  bool Succeeded() {
    if (++successes_ < grow_after_) return false;
    successes_ = 0;
    if (now_ == most_) return false;
    ++now_;
    return true;
  }

  // A request that was sent at `sent` met 429 or 503. Requests that were already under way when
  // the limit was last halved say nothing new: so it is halved once for each round trip.
  void Overloaded(absl::Duration sent, absl::Duration now) {
    successes_ = 0;
    if (sent < halved_) return;
    halved_ = now;
    now_ = std::max(now_ / 2, 1);
  }

 private:
  const int most_;
  const int grow_after_;
  int now_;
  int successes_ = 0;
  absl::Duration halved_ = -absl::InfiniteDuration();
};

}  // namespace temper::agents
