// A daemon with one learner, one reward service and two rollout workers, as processes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/program.h"

namespace temper::end_to_end {

class LiveFleet {
 public:
  // dir: of the runs. Empty address(): the controller did not come up.
  explicit LiveFleet(std::string dir) : dir_(std::move(dir)) {
    StartController("127.0.0.1:0");
    for (const auto& [name, verb] : std::map<std::string, std::string>{{"learner-0", "learner"},
                                                                       {"reward-0", "reward"},
                                                                       {"rollout-0", "rollout"},
                                                                       {"rollout-1", "rollout"}}) {
      workers_[name] = std::make_unique<LiveProcess>(
          std::vector<std::string>{verb, "--controller", address_, "--name", name});
    }
  }

  const std::string& address() const { return address_; }
  std::string controller_errors() const { return controller_->Errors(); }

  // kill -9 of the daemon alone.
  void KillController() { controller_->Kill(); }
  // Where it was.
  void RestartController() { StartController(address_); }

 private:
  void StartController(const std::string& listen) {
    controller_ = std::make_unique<LiveProcess>(
        std::vector<std::string>{"controller", "--dir", dir_, "--listen", listen});
    address_ = controller_->Address();
  }

  const std::string dir_;
  std::string address_;
  std::unique_ptr<LiveProcess> controller_;
  std::map<std::string, std::unique_ptr<LiveProcess>> workers_;  // end first
};

}  // namespace temper::end_to_end
