// A daemon with one learner, one reward service and two rollout workers, as processes.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "gtest/gtest.h"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {

class LiveFleet {
 public:
  // dir: of the runs; the logs stay beside it. Empty address(): the controller did not come up.
  explicit LiveFleet(std::string dir) : dir_(std::move(dir)), logs_(dir_ + "-logs") {
    EXPECT_TRUE(MakeDirectories(logs_).ok());
    StartController("127.0.0.1:0");
    for (const auto& [name, verb] : std::map<std::string, std::string>{{"learner-0", "learner"},
                                                                       {"reward-0", "reward"},
                                                                       {"rollout-0", "rollout"},
                                                                       {"rollout-1", "rollout"}}) {
      workers_[name] = std::make_unique<LiveProcess>(
          std::vector<std::string>{verb, "--controller", address_, "--name", name},
          absl::StrCat(logs_, "/", name, ".log"));
    }
  }

  const std::string& address() const { return address_; }
  // No test here ends a worker.
  bool WorkersRun() const {
    return std::ranges::all_of(workers_, [](const auto& one) { return one.second->Runs(); });
  }
  // For a failure's message.
  std::string Condition() const {
    std::string condition = absl::StrCat("\ncontroller: ", controller_->Condition());
    for (const auto& [name, worker] : workers_) {
      absl::StrAppend(&condition, "\n", name, ": ", worker->Condition());
    }
    return condition;
  }

  // kill -9 of the daemon alone.
  void KillController() { controller_->Kill(); }
  // Where it was.
  void RestartController() { StartController(address_); }

 private:
  void StartController(const std::string& listen) {
    controller_ = std::make_unique<LiveProcess>(
        std::vector<std::string>{"controller", "--dir", dir_, "--listen", listen},
        absl::StrCat(logs_, "/controller-", ++controllers_, ".log"));
    address_ = controller_->Address();
  }

  const std::string dir_, logs_;
  int controllers_ = 0;
  std::string address_;
  std::unique_ptr<LiveProcess> controller_;
  std::map<std::string, std::unique_ptr<LiveProcess>> workers_;  // end first
};

}  // namespace temper::end_to_end
