// What the runner keeps of an execution and of a call while they are under way. For runner*.cc.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agents/run/runner.h"

namespace temper::agents {

struct Runner::Running {
  int64_t number = 0;
  int64_t life = 0;  // an execution that was cancelled and asked for again has another
  ExecutionRequest request;
  std::shared_ptr<Execution> execution;
  Budget budget;
  int64_t active_ms_before = 0;  // in earlier processes
  absl::Duration since;          // uptime
  // For its expressions; it may outlive this.
  std::shared_ptr<Spent> spent = std::make_shared<Spent>();
  std::map<int64_t, Want> wants;  // taken, and neither delivered nor dropped
  std::set<int64_t> dropped;      // while wants are taken: before their turn came
  int64_t open_calls = 0;
  int64_t calls_started = 0;
  ExecutionProgress progress;
  bool touched = true;  // it may want something, or have come to its end
  bool ended = false;
  int callers = 1;  // who have not cancelled

  // One more who asks for this execution.
  void Join(ExecutionRequest other) {
    ++callers;
    request.on_end = [first = request.on_end, second = other.on_end](const ExecutionEnd& end) {
      first(end);
      second(end);
    };
    if (!other.on_progress) return;
    request.on_progress = [first = request.on_progress,
                           second = other.on_progress](const ExecutionProgress& progress) {
      if (first) first(progress);
      second(progress);
    };
  }
};

// "" of a tool or a question.
inline std::string EndpointOf(const Question& question) {
  return question.role == nullptr ? "" : question.role->endpoint;
}
inline bool OnceOnly(const Question& question) {
  return question.kind == Question::Kind::kTool && question.node->effect == Node::Effect::kOnce;
}

struct Runner::Call {
  int64_t id = 0;
  int64_t execution = 0;  // whose budget it is
  int64_t life = 0;       // of it
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
