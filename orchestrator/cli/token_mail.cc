// A list under a lock, and the few likeliest of a distribution.
#include "orchestrator/cli/token_mail.h"

#include <algorithm>
#include <numeric>
#include <span>

namespace temper::cli {
namespace {

// Of equally likely ones the lower ids come first.
std::vector<std::pair<int32_t, float>> Likeliest(std::span<const float> logprobs, size_t count) {
  count = std::min(count, logprobs.size());
  std::vector<int32_t> ids(logprobs.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                    [&](int32_t a, int32_t b) {
                      return logprobs[a] != logprobs[b] ? logprobs[a] > logprobs[b] : a < b;
                    });
  std::vector<std::pair<int32_t, float>> likeliest;
  for (size_t i = 0; i < count; ++i) likeliest.emplace_back(ids[i], logprobs[ids[i]]);
  return likeliest;
}

}  // namespace

void TokenMail::Put(TokenLetter letter) {
  MutexLock lock(mutex_);
  letters_.push_back(std::move(letter));
  mutex_.Changed();
}

void TokenMail::GroupDone(const absl::Status& status) {
  MutexLock lock(mutex_);
  --groups_left_;
  status_.Update(status);
  mutex_.Changed();
}

TokenMail::Batch TokenMail::Take(const Wait& wait) {
  MutexLock lock(mutex_);
  const auto ended = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return groups_left_ == 0 || !status_.ok();
  };
  mutex_.Await(
      wait, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !letters_.empty() || ended(); });
  Batch batch{.letters = std::exchange(letters_, {})};
  if (ended()) batch.ended = status_;
  return batch;
}

void MailSink::Progress(const rollout::SampledToken& token) {
  TokenLetter letter{
      .choice = first_choice_ + token.sample, .token = token.token, .logprob = token.logprob};
  if (top_ > 0) letter.top = Likeliest(token.logprobs, static_cast<size_t>(top_));
  mail_->Put(std::move(letter));
}

void MailSink::Deliver(rollout::Episode episode) {
  mail_->Put({.choice = first_choice_ + episode.sample, .finished = episode.finish_reason});
}

}  // namespace temper::cli
