// Workers for measuring a controller: they speak the real services and answer at once.
//
// Tokens are random and drawn beforehand, scores are coin tosses, training is counting; so whatever
// takes time is the controller's. Served by gRPC's threads; one more thread beats for all workers.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/rpc.h"
#include "base/stop.h"
#include "base/thread.h"

namespace temper::cli {

class AnsweringFleet {
 public:
  struct Options {
    std::string dir;  // of the controller, which writes its address there
    int rollout_workers = 2;
    int tokens = 128;  // of each response
  };
  static absl::StatusOr<std::unique_ptr<AnsweringFleet>> Start(const Options& options);
  ~AnsweringFleet();

  int64_t episodes() const { return episodes_; }  // sent so far

 private:
  class Learner;
  class Reward;
  class Rollout;

  explicit AnsweringFleet(Options options);
  void Beat();

  const Options options_;
  std::atomic<int64_t> episodes_{0};
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<Reward> reward_;
  std::unique_ptr<Rollout> rollout_;
  ListeningServer listening_;
  StopToken stop_;
  Thread beating_;
};

}  // namespace temper::cli
