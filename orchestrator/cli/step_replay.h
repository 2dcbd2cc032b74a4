// Redoes one policy step from a bundle: rollouts, scores, advantages, weights; compares the bits.
//
// A bundle (replay/bundle.h) is the run folder of the trainer that works here; nothing of the run
// itself is touched. Everything runs on the caller's thread and this process's cores.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "base/stop.h"
#include "temper/v1/controller.pb.h"

namespace temper::cli {

struct ReplayOrder {
  std::string folder;     // the bundle
  std::string model_dir;  // of the run: config, tokenizer, weights of version 0
  int64_t step = 0;       // policy step, counted from 1
  int threads = 0;        // 0: all cores
};

using ShowReplay = std::function<void(const v1::ReplayProgress&)>;

// Differences are in the report. DATA_LOSS: the ledger or the checkpoint is damaged. CANCELLED:
// `stop` was raised.
absl::StatusOr<v1::ReplayReport> ReplayBundle(const ReplayOrder& order, const StopToken& stop,
                                              const ShowReplay& show);

}  // namespace temper::cli
