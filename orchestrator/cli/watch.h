// Following a run until it ends, for `temper watch` and `temper submit --follow`.
#pragma once

#include <cstdint>
#include <string>

#include "orchestrator/cli/client_options.h"

namespace temper::cli {

struct WatchSettings {
  // The first event; 0: all; negative: the newest -from_sequence.
  int64_t from_sequence = 0;
  bool json = false;
};

// The default of --wait for those who follow: a controller may take its time to come back.
inline constexpr double kFollowWaitSeconds = 300;

// Shows a live view on a terminal, else one line an event. 0: the run is done; 1: it failed or was
// stopped, or the controller is gone; 130: interrupted, the run goes on.
int FollowRun(const ClientOptions& client, const std::string& run, const WatchSettings& settings);

}  // namespace temper::cli
