// Where an evaluation's responses come from.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/stop.h"
#include "orchestrator/eval/question.h"

namespace temper::cli {

// How responses are drawn, wherever that is.
struct Drawing {
  double temperature = 0;  // 0: greedy
  double top_p = 0;        // 0 or 1: the whole distribution
  int64_t max_tokens = 0;
  uint64_t seed = 0;
  std::vector<std::string> stop;  // ends a response and is no part of it
};

// The samples wanted of one task.
struct SampleJob {
  std::string id;  // of the task: part of the key of the randomness
  eval::Question question;
  std::vector<int> samples;
};

// One response, or why there is none.
struct Drawn {
  size_t job = 0;
  int sample = 0;
  std::string response, reasoning, finish_reason;
  int64_t tokens = 0;  // 0: not known
  std::string error;   // a failure of ours or of a server: it says nothing about the model
};

class SampleSource {
 public:
  virtual ~SampleSource() = default;

  // Blocks until every sample of every job was delivered once, on whichever thread. Fails where
  // nothing more can come; what was delivered until then stands. CANCELLED: stopped.
  virtual absl::Status Draw(std::span<const SampleJob> jobs, const Drawing& drawing,
                            const std::function<void(Drawn)>& deliver, const StopToken& stop) = 0;
};

}  // namespace temper::cli
