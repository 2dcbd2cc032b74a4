// A group that is being gathered: its samples, and how often it failed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "orchestrator/graph_environment.h"
#include "orchestrator/ledger.h"
#include "temper/v1/episode.pb.h"

namespace temper::orchestrator {

// Evaluation groups live far above the policy's, whose ids count from 1.
inline constexpr int64_t kEvaluationGroupIds = int64_t{1} << 40;

struct GatheredSample {
  SampleState state = SampleState::kIssued;
  int64_t epoch = 0;     // of the lease that is out; 0: none
  bool scoring = false;  // a Score call holds it
  int score_failures = 0;
  absl::Duration score_at = absl::ZeroDuration();
  std::string text;
  v1::FinishReason finish = v1::FINISH_REASON_UNSPECIFIED;
  int64_t tokens = 0;
  double score = 0;
  bool scored = false;  // also of one whose group was dropped afterwards
  bool told = false;    // to its execution
};

struct GatheredGroup {
  v1::Group group;
  std::string task;  // chooses the parts of the rubric
  GraphPlace place;  // with an environment
  std::vector<GatheredSample> samples;
  int strikes = 0;  // workers crashed while they held it
  int failures = 0;
  bool dropped = false;
  absl::Duration retry_at = absl::ZeroDuration();
};

}  // namespace temper::orchestrator
