// When a failed request is sent again: how often, after what pause, and never in a storm.
//
// One policy for each endpoint, the only one that retries. A retry needs an attempt left of its
// call and a share of the budget: over the life of an endpoint there are never more retries than
// `budget` x calls started (or `budget_floor`, where that is more). One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace temper::agents {

class RetryPolicy {
 public:
  struct Options {
    int attempts_max = 5;  // of one request, the first among them
    absl::Duration first_pause = absl::Milliseconds(500);
    absl::Duration pause_max = absl::Seconds(8);
    // The longest pause a server may ask for; a longer one fails the call.
    absl::Duration told_pause_max = absl::Seconds(120);
    double budget = 0.2;   // retries for each call started
    int budget_floor = 3;  // so many retries even where few calls were started
    // So many retries may be saved up while all is well.
    double budget_saved_max = 100;
  };

  RetryPolicy(const Options& options, uint64_t seed) : options_(options), seed_(seed) {}

  void CallStarted();

  struct Verdict {
    bool again = false;
    absl::Duration pause;  // before it is sent again
    std::string why_not;   // for the words of the call's end
  };
  // `attempts`: sent so far, at least 1. `told`: what the server asks for, if it does. A verdict
  // of `again` takes its share of the budget.
  Verdict AfterFailure(int attempts, std::optional<absl::Duration> told);

  int64_t retries() const { return retries_; }

 private:
  const Options options_;
  const uint64_t seed_;
  double saved_ = 0;
  int64_t retries_ = 0;
};

// The pause of the headers "retry-after-ms" and "retry-after" (seconds, or a date of HTTP);
// nothing where neither says one that lies ahead.
std::optional<absl::Duration> PauseOfHeaders(std::string_view retry_after_ms,
                                             std::string_view retry_after, absl::Time now);

// Of the header "x-should-retry"; nothing where it says neither.
std::optional<bool> ShouldRetry(std::string_view x_should_retry);

// Without a word of the server: 408, 409, 425, 429 and everything from 500.
bool StatusIsWorthARetry(int http_status);

}  // namespace temper::agents
