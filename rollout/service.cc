// The wire's requests as the engine's nouns.
#include "rollout/service.h"

#include <atomic>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/grpc_status.h"
#include "rollout/episode_stream.h"
#include "temper/v1/rollout.grpc.pb.h"

namespace temper::rollout {
namespace {

GroupRequest FromWire(const v1::GenerateRequest& wire) {
  const v1::Sampling& sampling = wire.sampling();
  GroupRequest request{.group_id = wire.group_id(),
                       .prompt_id = wire.prompt().id(),
                       .prompt_text = wire.prompt().text(),
                       .chat_json = wire.prompt().chat_json(),
                       .samples = {wire.samples().begin(), wire.samples().end()},
                       .version = wire.version()};
  request.sampling = {.temperature = sampling.temperature(),
                      .top_p = sampling.top_p(),
                      .max_tokens = sampling.max_tokens(),
                      .stop = {sampling.stop().begin(), sampling.stop().end()},
                      .seed = sampling.seed()};
  return request;
}

// One UpdateWeights call. The engine answers; gRPC deletes the reactor after that.
class UpdateCall final : public grpc::ServerUnaryReactor {
 public:
  // What both sides see; outlives the reactor where the engine still holds it.
  class Sink final : public UpdateSink {
   public:
    Sink(UpdateCall* call, v1::UpdateWeightsResponse* response)
        : call_(call), response_(response) {}
    void Done(const absl::StatusOr<WeightsUpdate>& update) override {
      if (update.ok()) {
        response_->set_version(update->version);
        response_->set_digest(update->digest);
        response_->set_seconds(absl::ToDoubleSeconds(update->took));
      }
      call_->Finish(ToGrpc(update.status()));  // the call is alive until here
    }
    bool cancelled() const override { return cancelled_.load(); }
    void Cancel() { cancelled_.store(true); }

   private:
    UpdateCall* const call_;
    v1::UpdateWeightsResponse* const response_;
    std::atomic<bool> cancelled_{false};
  };

  explicit UpdateCall(v1::UpdateWeightsResponse* response)
      : sink_(std::make_shared<Sink>(this, response)) {}
  const std::shared_ptr<Sink>& sink() const { return sink_; }
  void OnCancel() override { sink_->Cancel(); }
  void OnDone() override { delete this; }

 private:
  const std::shared_ptr<Sink> sink_;
};

class RolloutService final : public v1::RolloutService::CallbackService {
 public:
  explicit RolloutService(EngineLoop& loop) : loop_(loop) {}

  grpc::ServerUnaryReactor* UpdateWeights(grpc::CallbackServerContext* context,
                                          const v1::UpdateWeightsRequest* request,
                                          v1::UpdateWeightsResponse* response) override {
    auto* call = new UpdateCall(response);
    const std::shared_ptr<UpdateCall::Sink> sink = call->sink();
    UpdateOrder order{.manifest = request->manifest(),
                      .deadline = absl::FromChrono(context->deadline()),
                      .sink = sink};
    const absl::Status taken = loop_.Update(std::move(order));
    if (!taken.ok()) sink->Done(taken);
    return call;
  }

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override {
    auto stream = std::make_shared<EpisodeStream>(request->lease_epoch(), request->samples_size());
    grpc::ServerWriteReactor<v1::GenerateResponse>* call = stream->Open();
    GroupRequest group = FromWire(*request);
    group.sink = stream;
    const absl::Status taken = loop_.Generate(std::move(group));
    if (!taken.ok()) stream->Done(taken);
    return call;
  }

 private:
  EngineLoop& loop_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeRolloutService(EngineLoop& loop) {
  return std::make_unique<RolloutService>(loop);
}

}  // namespace temper::rollout
