// Programs, servers and people that tool and ask nodes turn to.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "agents/run/result.h"

namespace temper::agents {

class OutsideWorld {
 public:
  virtual ~OutsideWorld() = default;

  using Done = std::function<void(const absl::Status& status, nlohmann::ordered_json value)>;
  // `key` is the want's identity, for people and for servers that know idempotency keys. `done` is
  // called once, on any thread, and must only enqueue.
  virtual void Start(int64_t call, const std::string& key, const Question& question, Done done) = 0;
  // `done` still comes.
  virtual void Cancel(int64_t call) = 0;
};

}  // namespace temper::agents
