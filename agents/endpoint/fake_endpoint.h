// The scripted fake model as an endpoint: no network, no thread of its own beside the loop, and
// every fault that a server can show.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "agents/endpoint/attempt.h"
#include "agents/endpoint/fake_script.h"
#include "agents/endpoint/multi_loop.h"

namespace temper::agents {

class FakeWire : public Wire {
 public:
  struct Options {
    std::shared_ptr<const FakeScript> script;
    absl::Duration idle_timeout;  // how long a stalled answer is waited for
    uint64_t seed = 0;            // of the latency's jitter
  };
  FakeWire(Options options, MultiLoop& loop) : options_(std::move(options)), loop_(loop) {}

  uint64_t Send(const Attempt& attempt, std::function<void(AttemptEnd)> done) override;
  void Abort(uint64_t attempt) override;
  int64_t PromptTokensMax(const nlohmann::ordered_json& messages) const override {
    return FakeScript::CountTokens(messages);
  }

 private:
  AttemptEnd EndOf(const Attempt& attempt, const FakeReply& reply) const;

  const Options options_;
  MultiLoop& loop_;
  absl::flat_hash_map<uint64_t, MultiLoop::Timer> under_way_;
  uint64_t last_number_ = 0;
};

}  // namespace temper::agents
