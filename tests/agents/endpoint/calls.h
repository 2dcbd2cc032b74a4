// Calls to an endpoint, for tests: started where there is room, and waited for with a deadline.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agents/endpoint/endpoint.h"
#include "base/mutex.h"

namespace temper::agents {

inline EndpointCall Ask(std::string text, std::vector<int64_t> samples = {0}) {
  EndpointCall call;
  call.key = "key of " + text.substr(0, 100);
  call.model = "m";
  call.messages = nlohmann::ordered_json::array({{{"role", "user"}, {"content", std::move(text)}}});
  call.samples = std::move(samples);
  return call;
}

inline EndpointCall Rate(std::string candidate) {
  EndpointCall call = Ask("How are you?");
  call.operation = EndpointCall::Operation::kScore;
  call.messages.push_back({{"role", "assistant"}, {"content", std::move(candidate)}});
  call.samples.clear();
  return call;
}

// Collects the ends of calls; outlives them.
class Calls {
 public:
  explicit Calls(Endpoint& endpoint) : endpoint_(endpoint) {
    listener_ = endpoint_.AddListener([this] {
      MutexLock lock(mutex_);
      mutex_.Changed();
    });
  }
  ~Calls() { endpoint_.RemoveListener(listener_); }

  // Numbers of the test's own.
  int Start(EndpointCall call) {
    const int own = started_++;
    numbers_.push_back(endpoint_.Start(std::move(call), [this, own](EndpointEnd end) {
      MutexLock lock(mutex_);
      EXPECT_TRUE(ends_.emplace(own, std::move(end)).second) << "a call ended twice";
      mutex_.Changed();
    }));
    return own;
  }
  void Cancel(int own) { endpoint_.Cancel(numbers_[static_cast<size_t>(own)]); }
  EndpointEnd End(int own) {
    MutexLock lock(mutex_);
    EXPECT_TRUE(mutex_.Await(Wait::OrFail("the end of a call", absl::Seconds(60)),
                             [&] { return ends_.contains(own); }));
    return ends_[own];
  }
  EndpointEnd Do(EndpointCall call) { return End(Start(std::move(call))); }
  void AwaitRoom() {
    MutexLock lock(mutex_);
    EXPECT_TRUE(mutex_.Await(Wait::OrFail("room", absl::Seconds(60)),
                             [&] { return endpoint_.room() > 0; }));
  }
  bool ended(int own) {
    MutexLock lock(mutex_);
    return ends_.contains(own);
  }

 private:
  Endpoint& endpoint_;
  int64_t listener_ = 0;
  int started_ = 0;
  std::vector<int64_t> numbers_;
  Mutex mutex_;
  std::map<int, EndpointEnd> ends_;
};

}  // namespace temper::agents
