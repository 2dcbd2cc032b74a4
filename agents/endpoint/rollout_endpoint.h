// Our own rollout workers as an endpoint: texts with their tokens, log-probabilities and version,
// or a reward head's number.
//
// A call's key is the prompt's id, which with the seed and a sample's number decides every token:
// the same call gives the same tokens under the same version. The client blocks, so a few threads
// of the wire's own carry the calls.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agents/endpoint/attempt.h"
#include "agents/endpoint/multi_loop.h"
#include "base/bounded_queue.h"
#include "base/thread.h"
#include "rollout/rollout_client.h"
#include "temper/v1/rollout.pb.h"

namespace temper::agents {

class RolloutWire : public Wire {
 public:
  struct Options {
    std::string address;
    std::string run;
    std::optional<int64_t> version;  // absent: the worker's current one, whichever that is
    absl::Duration timeout;          // of one request
    int threads = 16;
  };
  RolloutWire(Options options, MultiLoop& loop);
  ~RolloutWire() override;  // not on the loop

  uint64_t Send(const Attempt& attempt, std::function<void(AttemptEnd)> done) override;
  void Abort(uint64_t attempt) override;
  int64_t PromptTokensMax(const nlohmann::ordered_json& messages) const override;

 private:
  struct Job;
  void Work();
  AttemptEnd Do(Job& job);
  absl::Status Generate(Job& job, EndpointAnswer& answer);
  absl::Status Measure(Job& job, EndpointAnswer& answer);
  absl::Status MeasureFirstTokens(Job& job, EndpointAnswer& answer);
  absl::Status LearnVersion(Job& job);

  const Options options_;
  MultiLoop& loop_;
  rollout::RolloutClient client_;
  std::atomic<int64_t> version_;  // -1: not known

  // The loop's own.
  struct UnderWay {
    std::shared_ptr<Job> job;
    std::function<void(AttemptEnd)> done;
  };
  absl::flat_hash_map<uint64_t, UnderWay> under_way_;
  uint64_t last_number_ = 0;

  BoundedQueue<std::shared_ptr<Job>> jobs_;
  std::vector<Thread> threads_;
};

}  // namespace temper::agents
