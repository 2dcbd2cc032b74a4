// Runs the real program in a folder of its own and looks at what it does.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace temper::end_to_end {

// A finished command.
struct Outcome {
  int exit_code = -1;  // 128 + signal when it was killed
  std::string output;  // stdout
  std::string errors;  // stderr
};

// Runs `temper ARGUMENTS` to its end (at most two minutes).
Outcome Temper(const std::vector<std::string>& arguments);

// `temper run` while it runs.
class LiveRun {
 public:
  explicit LiveRun(const std::vector<std::string>& arguments);  // "run" and --json are added
  ~LiveRun();                                                   // kills it when it still runs

  // Reads events (JSON lines) until `wanted` says yes; false when the run ended first.
  bool WaitFor(const std::function<bool(const std::string& event)>& wanted);
  // Pid of a child by its role ("controller") or name ("rollout-0"); -1 when there is none.
  pid_t Child(const std::string& name) const;
  std::vector<pid_t> Children() const;
  pid_t pid() const { return pid_; }
  Outcome Wait();

 private:
  pid_t pid_ = -1;
  int events_ = -1;  // its stdout
  std::string errors_path_;
  std::string unread_;
  std::string output_;
};

// A serving verb while it runs.
class LiveProcess {
 public:
  // log_path: its stderr is added there and stays; otherwise it goes with this.
  explicit LiveProcess(const std::vector<std::string>& arguments, std::string log_path = "");
  ~LiveProcess();  // kills it when it still runs

  // Where it serves, once it says so; "" when it ended first or two minutes went by.
  std::string Address();
  // Asks it to end (SIGTERM) and waits; its exit code.
  int Stop();
  void Kill();                 // SIGKILL
  std::string Errors() const;  // its stderr so far
  bool Runs();                 // has not ended by itself
  // For a failure's message: how it ended or what its threads wait for, and the end of its log.
  std::string Condition();

 private:
  pid_t pid_ = -1;
  std::string ended_;  // how, when it ended by itself
  const bool log_stays_;
  std::string errors_path_;
};

// Writes spec.json, a config, the byte tokenizer and data into `folder`: a job of some seconds.
// Extra top-level fields go in as JSON text, e.g. "\"steps\": 3,".
std::string WriteTinyJob(const std::string& folder, const std::string& extra = "");

// SHA-256 of DIR's newest checkpoint's model.safetensors, "" when there is none.
std::string FinalModelSha256(const std::string& dir);

}  // namespace temper::end_to_end
