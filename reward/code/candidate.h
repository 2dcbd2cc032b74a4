// The program under test as a process that answers calls.
//
// It speaks through python/candidate.py, which shares its process: so an answer is only ever taken
// as a plain value, one for each call, and never as a verdict.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "reward/code/grade.h"
#include "reward/code/literal.h"
#include "reward/code/record.h"
#include "reward/sandbox/sandbox.h"

namespace temper::reward {

// Lives on one thread; its handlers are called from within sandbox::Drive.
class Candidate {
 public:
  struct Reply {
    bool raised = false;  // then `value` is (stage, class, message, [bases])
    Value value;
    std::string text;  // the literal as it came: well-formed, so a judge may evaluate it
  };

  static absl::StatusOr<std::unique_ptr<Candidate>> Start(const sandbox::Sandbox& sandbox,
                                                          const sandbox::Limits& limits,
                                                          const std::string& program);

  // `request` is the literal (verb, target, args, kwargs), see candidate.py. One call at a time;
  // the first may come before the program is loaded.
  void Call(std::string request);
  // No more calls will come. The process ends, and an answer that nobody asked for is found out.
  void Quit();

  std::function<void(const Reply&)> on_reply;
  std::function<void()> on_end;  // the process is gone

  sandbox::Process* process() const { return process_.get(); }
  // After the end: a failure of ours.
  absl::Status Failure() const;
  // After the end: the failure of the program as a whole, if there was one: it broke a limit or a
  // rule, could not be loaded, or went away with a call unanswered.
  std::optional<Grade> Fault() const;

 private:
  Candidate(const sandbox::Limits& limits) : limits_(limits) {}
  void Read(std::string_view bytes);
  void Take(Record record);
  void TakeLoadFailure(const Record& record);
  void TakeReply(Record record);
  void Break(std::string_view verdict, std::string reason);
  void SendWaiting();

  const sandbox::Limits limits_;
  std::unique_ptr<sandbox::Process> process_;
  RecordReader reader_;
  bool loaded_ = false;
  bool quit_ = false;
  bool called_ = false;  // a call waits for its answer
  std::string waiting_;  // a call that waits for the program to be loaded
  std::optional<Grade> broken_;
};

// Verdict and words for an exception that a program let out.
Grade ExceptionGrade(const Value& failure);

}  // namespace temper::reward
