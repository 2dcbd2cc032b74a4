// Carries sampled tokens from the engine's thread to the thread that serves their request.
//
// The engine puts and never waits; what lies here is bounded by what the request may sample. Lives
// as long as either side needs it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "rollout/engine/request.h"

namespace temper::cli {

// A token of a choice, or its end.
struct TokenLetter {
  int choice = 0;
  int32_t token = -1;
  float logprob = 0;
  std::vector<std::pair<int32_t, float>> top;     // likeliest first
  std::optional<rollout::FinishReason> finished;  // the end: no token
};

class TokenMail {
 public:
  // groups: how many must be done until all is.
  explicit TokenMail(int groups) : groups_left_(groups) {}

  void Put(TokenLetter letter);
  // One group ended; the first error counts.
  void GroupDone(const absl::Status& status);

  struct Batch {
    std::vector<TokenLetter> letters;
    std::optional<absl::Status> ended;  // nothing comes after these letters
  };
  Batch Take(const Wait& wait);

  // What runs is dropped at the engine's next step.
  void Cancel() { cancelled_.store(true); }
  bool cancelled() const { return cancelled_.load(); }

 private:
  std::atomic<bool> cancelled_{false};
  Mutex mutex_;
  std::vector<TokenLetter> letters_ ABSL_GUARDED_BY(mutex_);
  int groups_left_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

// The engine's end, for one group: its sample s is choice first_choice + s.
class MailSink final : public rollout::EpisodeSink {
 public:
  MailSink(std::shared_ptr<TokenMail> mail, int first_choice, int top)
      : mail_(std::move(mail)), first_choice_(first_choice), top_(top) {}

  void Progress(const rollout::SampledToken& token) override;
  bool wants_distribution() const override { return top_ > 0; }
  void Deliver(rollout::Episode episode) override;
  void Done(const absl::Status& status) override { mail_->GroupDone(status); }
  bool cancelled() const override { return mail_->cancelled(); }

 private:
  const std::shared_ptr<TokenMail> mail_;
  const int first_choice_;
  const int top_;  // other tokens to tell of
};

}  // namespace temper::cli
