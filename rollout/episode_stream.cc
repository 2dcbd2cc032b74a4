// One write in flight at a time; Finish() after the last.
#include "rollout/episode_stream.h"

#include <utility>

#include "base/check.h"
#include "base/grpc_status.h"

namespace temper::rollout {
namespace {

v1::FinishReason ToWire(FinishReason reason) {
  return reason == FinishReason::kStop ? v1::FINISH_REASON_STOP : v1::FINISH_REASON_LENGTH;
}

v1::GenerateResponse ToWire(int64_t lease_epoch, const Episode& episode) {
  v1::GenerateResponse response;
  response.set_lease_epoch(lease_epoch);
  v1::Episode& wire = *response.mutable_episode();
  wire.set_group_id(episode.group_id);
  wire.set_sample(episode.sample);
  wire.mutable_prompt_tokens()->Add(episode.prompt_tokens.begin(), episode.prompt_tokens.end());
  wire.mutable_tokens()->Add(episode.tokens.begin(), episode.tokens.end());
  wire.mutable_logprobs()->Add(episode.logprobs.begin(), episode.logprobs.end());
  wire.add_versions(episode.version);
  wire.set_finish_reason(ToWire(episode.finish_reason));
  wire.set_text(episode.text);
  wire.set_entropy_sum(episode.entropy_sum);
  for (size_t i = 0; i < episode.forced.size(); ++i) {
    if (episode.forced[i] != 0) wire.add_forced(static_cast<int32_t>(i));
  }
  return response;
}

}  // namespace

// What gRPC calls back on; everything else stands in the stream, which outlives it.
class EpisodeStream::Call final : public EpisodeStream::Reactor {
 public:
  explicit Call(std::shared_ptr<EpisodeStream> stream) : stream_(std::move(stream)) {}
  void OnWriteDone(bool ok) override {
    // Finish() may delete this call while Written() is still returning.
    const std::shared_ptr<EpisodeStream> stream = stream_;
    stream->Written(ok);
  }
  void OnCancel() override { stream_->cancelled_.store(true); }
  void OnDone() override { delete this; }

 private:
  const std::shared_ptr<EpisodeStream> stream_;
};

EpisodeStream::Reactor* EpisodeStream::Open() {
  MutexLock lock(mutex_);
  TEMPER_CHECK(reactor_ == nullptr);
  reactor_ = new Call(shared_from_this());
  return reactor_;
}

void EpisodeStream::Deliver(Episode episode) {
  TEMPER_CHECK(episodes_.TryPush(ToWire(lease_epoch_, episode)));
  Pump();
}

void EpisodeStream::Done(const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    TEMPER_CHECK(!end_.has_value());
    end_ = status;
  }
  Pump();
}

void EpisodeStream::Written(bool ok) {
  if (!ok) cancelled_.store(true);
  {
    MutexLock lock(mutex_);
    busy_ = false;
  }
  Pump();
}

void EpisodeStream::Pump() {
  Reactor* reactor = nullptr;
  grpc::Status end;
  {
    MutexLock lock(mutex_);
    if (busy_ || finished_) return;
    std::optional<v1::GenerateResponse> next;
    if (!cancelled()) next = episodes_.TryPop();
    if (next.has_value()) {
      writing_ = *std::move(next);
      busy_ = true;
      reactor_->StartWrite(&writing_);  // answers on another thread
      return;
    }
    if (!end_.has_value()) return;
    finished_ = true;
    reactor = reactor_;
    end = ToGrpc(*end_);
  }
  reactor->Finish(end);  // outside the lock: the call may be gone when this returns
}

}  // namespace temper::rollout
