// Threads that ask other services: a judge, a reward model, somebody's verifier.
//
// Such a verifier waits, with a deadline of its own; what it does with the answer is reading a
// number, so it needs no process that can be killed.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/bounded_queue.h"
#include "base/thread.h"
#include "reward/rubric.h"
#include "temper/v1/reward.pb.h"

namespace temper::reward {

class Callers {
 public:
  struct Question {
    int64_t id = 0;
    std::shared_ptr<const Rubric> rubric;
    size_t part = 0;
    std::shared_ptr<const temper::v1::ScoreItem> item;
  };
  struct Answer {
    int64_t id = 0;
    absl::StatusOr<Judgement> judgement;
    absl::Duration elapsed;
  };
  // On a caller's thread.
  using Deliver = std::function<void(Answer)>;

  Callers(int threads, Deliver deliver);
  ~Callers();  // waits for calls under way; drops those that were not begun

  // Never refuses: the asker bounds what it takes in.
  void Ask(Question question);

 private:
  void Work();

  const Deliver deliver_;
  BoundedQueue<Question> questions_;
  std::atomic<bool> closing_{false};
  std::vector<Thread> threads_;
};

}  // namespace temper::reward
