// The call and what it shares with the scorer's loop live as long as either needs them.
#include "reward/score_stream.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "base/grpc_status.h"
#include "base/mutex.h"

namespace temper::reward {
namespace {

using temper::v1::ScoreRequest;
using temper::v1::ScoreStreamRequest;
using temper::v1::ScoreStreamResponse;
using Reactor = grpc::ServerBidiReactor<ScoreStreamRequest, ScoreStreamResponse>;

// Items that one call may have inside: it stops reading above this.
constexpr int kItemsInsideMax = 4096;
constexpr int kResultsOfMessageMax = 256;

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(Scorer& scorer) : scorer_(scorer) {}

  void Open(Reactor* reactor) {
    MutexLock lock(mutex_);
    reactor_ = reactor;
    reading_ = true;
    reactor_->StartRead(&request_);
  }

  void OnRead(bool ok) {
    std::shared_ptr<ScoreRequest> taken;
    {
      MutexLock lock(mutex_);
      reading_ = false;
      all_read_ = all_read_ || !ok;
      if (ok) taken = TakeRequest();
    }
    if (taken != nullptr && taken->items_size() > 0) Submit(std::move(taken));
    Go();
  }

  void OnWritten(bool ok) {
    {
      MutexLock lock(mutex_);
      writing_ = false;
      gone_ = gone_ || !ok;
    }
    Go();
  }

  void OnCancel() {
    {
      MutexLock lock(mutex_);
      gone_ = true;
    }
    Go();  // nothing else may be under way that would end the call
  }

 private:
  // A copy of what came, with the call's rubric.
  std::shared_ptr<ScoreRequest> TakeRequest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (request_.has_rubric() && rubric_.has_value()) {
      End(absl::InvalidArgumentError("rubric: belongs into the first message of the stream only"));
      return nullptr;
    }
    if (request_.has_rubric()) rubric_ = request_.rubric();
    if (!rubric_.has_value()) {
      End(absl::InvalidArgumentError("rubric: is missing in the first message of the stream"));
      return nullptr;
    }
    auto taken = std::make_shared<ScoreRequest>();
    *taken->mutable_rubric() = *rubric_;
    taken->mutable_items()->Swap(request_.mutable_items());
    inside_ += taken->items_size();
    return taken;
  }

  void Submit(std::shared_ptr<const ScoreRequest> request) {
    const int items = request->items_size();
    const absl::Status status = scorer_.Submit(
        std::move(request), [self = shared_from_this()](int, temper::v1::ScoreResult result) {
          self->OnResult(std::move(result));
        });
    if (status.ok()) return;
    MutexLock lock(mutex_);
    inside_ -= items;
    End(status);
  }

  void OnResult(temper::v1::ScoreResult result) {
    {
      MutexLock lock(mutex_);
      --inside_;
      *waiting_.add_results() = std::move(result);
    }
    Go();
  }

  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!end_.has_value()) end_ = status;
  }

  // Starts whatever can be started: a write, the next read, the end.
  void Go() {
    Reactor* ended = nullptr;
    absl::Status end;
    {
      MutexLock lock(mutex_);
      if (finished_) return;
      if (!writing_ && !gone_ && waiting_.results_size() > 0) Write();
      if (!reading_ && !all_read_ && !end_.has_value() && inside_ < kItemsInsideMax) {
        reading_ = true;
        reactor_->StartRead(&request_);
      }
      const bool drained = all_read_ && inside_ == 0 && (gone_ || waiting_.results_size() == 0);
      if (!writing_ && (end_.has_value() || gone_ || drained)) {
        finished_ = true;
        ended = reactor_;
        end = end_.value_or(absl::OkStatus());
      }
    }
    if (ended != nullptr) ended->Finish(ToGrpc(end));  // the call may be gone when this returns
  }

  void Write() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    response_.Clear();
    if (waiting_.results_size() <= kResultsOfMessageMax) {
      response_.Swap(&waiting_);
    } else {  // the last ones first: any order is allowed, and nothing is moved
      for (int i = 0; i < kResultsOfMessageMax; ++i) {
        response_.mutable_results()->AddAllocated(waiting_.mutable_results()->ReleaseLast());
      }
    }
    writing_ = true;
    reactor_->StartWrite(&response_);
  }

  Scorer& scorer_;
  Mutex mutex_;
  Reactor* reactor_ ABSL_GUARDED_BY(mutex_) = nullptr;    // alive until Finish()
  ScoreStreamRequest request_ ABSL_GUARDED_BY(mutex_);    // gRPC's while reading_
  ScoreStreamResponse response_ ABSL_GUARDED_BY(mutex_);  // gRPC's while writing_
  ScoreStreamResponse waiting_ ABSL_GUARDED_BY(mutex_);
  std::optional<temper::v1::Rubric> rubric_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  int inside_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool all_read_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

class Call final : public Reactor {
 public:
  explicit Call(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {
    stream_->Open(this);
  }
  // Finish() may delete this call while the stream is still returning.
  void OnReadDone(bool ok) override { std::shared_ptr<Stream>(stream_)->OnRead(ok); }
  void OnWriteDone(bool ok) override { std::shared_ptr<Stream>(stream_)->OnWritten(ok); }
  void OnCancel() override { std::shared_ptr<Stream>(stream_)->OnCancel(); }
  void OnDone() override { delete this; }

 private:
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

Reactor* OpenScoreStream(Scorer& scorer) { return new Call(std::make_shared<Stream>(scorer)); }

}  // namespace temper::reward
