// What a run asks of its workers, as a function of its spec and the step alone.
//
// A step that is redone is asked for with the same words as the first time.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "orchestrator/dataset.h"
#include "orchestrator/spec.h"
#include "temper/v1/episode.pb.h"
#include "temper/v1/learner.pb.h"
#include "temper/v1/reward.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::orchestrator {

// How the samples that train `version` are drawn. The version is part of the key: a prompt that
// comes again in a later epoch is drawn anew.
v1::Sampling SamplingAt(const v1::RunSpec& spec, int64_t version);

// What a warm start reads; `held_out` may be null.
struct WarmStartRows {
  const RowSource* rows = nullptr;
  const RowSource* held_out = nullptr;
};
// The examples or pairs of warm-start step `step`: every epoch is a permutation of the file's.
absl::StatusOr<v1::TrainRequest> WarmStartRequestAt(const ResolvedSpec& spec,
                                                    const WarmStartRows& rows, int64_t step);

// The dataset line's "task"; empty where it has none.
std::string TaskOf(const v1::Group& group);

// The item that has a response judged.
struct Response {
  int sample = 0;
  std::string text;
  v1::FinishReason finish = v1::FINISH_REASON_UNSPECIFIED;
  int64_t tokens = 0;
};
v1::ScoreItem ScoreItemOf(const v1::Group& group, const Response& response, int max_tokens);

}  // namespace temper::orchestrator
