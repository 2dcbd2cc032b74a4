// What the runner keeps of an execution and of a call while they are under way. For runner*.cc.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/run/runner.h"

namespace temper::agents {

struct Runner::Running {
  int64_t number = 0;
  ExecutionRequest request;
  std::shared_ptr<Execution> execution;
  Budget budget;
  int64_t active_ms_before = 0;  // in earlier processes
  absl::Duration since;          // uptime
  // For its expressions; it may outlive this.
  std::shared_ptr<Spent> spent = std::make_shared<Spent>();
  std::map<int64_t, Want> wants;  // taken, and neither delivered nor dropped
  int64_t open_calls = 0;
  int64_t calls_started = 0;
  ExecutionProgress progress;
  bool touched = true;  // it may want something, or have come to its end
  bool ended = false;
};

struct Runner::Call {
  int64_t id = 0;
  int64_t execution = 0;  // whose budget it is
  std::string endpoint;   // "" of a tool or a question
  std::shared_ptr<const Question> question;
  std::string lineage;
  std::vector<std::string> keys;  // of its samples
  std::vector<int64_t> samples;
  Cost reserved;
  int64_t endpoint_call = -1;
  int64_t unwanted = 0;  // samples that nobody needs any more
  bool cancelled = false;
};

}  // namespace temper::agents
