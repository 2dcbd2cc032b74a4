// A policy step as the ledger has it: prompts, episodes, scores, advantages.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/ledger.h"
#include "temper/v1/episode.pb.h"
#include "temper/v1/learner.pb.h"

namespace temper::orchestrator {

struct RecordedSample {
  const v1::TrainEpisode* entry = nullptr;  // of RecordedStep::request
  v1::Score score;
};

struct RecordedGroup {
  v1::Group group;
  std::vector<RecordedSample> samples;  // in the order of the batch
};

struct RecordedStep {
  v1::TrainRequest request;
  std::vector<RecordedGroup> groups;  // in the order of the batch
  int64_t groups_dropped = 0;
};

// Of the step that trains `version`. NOT_FOUND: it has no batch. DATA_LOSS: bytes differ from their
// checksum.
absl::StatusOr<std::unique_ptr<RecordedStep>> ReadRecordedStep(Ledger& ledger, int64_t version);

}  // namespace temper::orchestrator
