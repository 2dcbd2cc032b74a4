// A process that runs published Python tests, one problem after the other.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "reward/code/record.h"
#include "reward/sandbox/sandbox.h"

namespace temper::reward {

// See python/judge.py. Lives on one thread at a time.
class Judge {
 public:
  static absl::StatusOr<std::unique_ptr<Judge>> Start(const sandbox::Sandbox& sandbox,
                                                      const sandbox::Limits& program_limits);

  // Begins a problem: `setup` is the literal of a dict, see JudgeSetup.
  void Begin(const std::string& setup);
  // The answer to a call.
  void Answer(bool raised, const std::string& value) { Send(raised ? 'E' : 'R', value); }
  // The program is gone: no answer will come.
  void GiveUp();

  std::function<void(std::string request)> on_call;
  std::function<void(std::string results)> on_verdict;

  // The problem is over: its child has ended, or the whole process has.
  bool done() const { return done_ || process_->finished(); }
  // May take another problem. Not after a child that was killed: it may have read half a frame.
  bool usable() const {
    return done_ && child_status_ == 0 && !process_->finished() && failure_.ok();
  }
  // Wait status of the child. Only when done, and the process has not finished.
  int child_status() const { return child_status_; }
  // What it wrote that it should not have.
  const absl::Status& failure() const { return failure_; }

  sandbox::Process* process() const { return process_.get(); }

 private:
  void Send(char kind, const std::string& payload);
  void Read(std::string_view bytes);

  std::unique_ptr<sandbox::Process> process_;
  RecordReader reader_;
  absl::Status failure_;
  bool done_ = false;
  int child_status_ = 0;
};

// Judges that wait for a problem, for the thread that started them: a sandbox dies with its thread.
// Any thread.
class JudgePool {
 public:
  // The caller's alone; give it back if it is still usable. Starts one where none waits.
  absl::StatusOr<std::unique_ptr<Judge>> Take(const sandbox::Sandbox& sandbox,
                                              const sandbox::Limits& program_limits);
  void GiveBack(std::unique_ptr<Judge> judge);

 private:
  Mutex mutex_;
  std::multimap<std::thread::id, std::unique_ptr<Judge>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace temper::reward
