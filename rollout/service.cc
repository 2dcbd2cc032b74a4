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

MeasureRequest FromWire(const v1::MeasureRequest& wire) {
  MeasureRequest request{
      .prompt_id = wire.prompt().id(),
      .prompt_text = wire.prompt().text(),
      .chat_json = wire.prompt().chat_json(),
      .continuations = {wire.continuations().begin(), wire.continuations().end()}};
  if (wire.has_version()) request.version = wire.version();
  return request;
}

void ToWire(const Measurement& measurement, v1::MeasureResponse& wire) {
  wire.set_version(measurement.version);
  wire.mutable_prompt_tokens()->Add(measurement.prompt_tokens.begin(),
                                    measurement.prompt_tokens.end());
  for (const MeasuredContinuation& one : measurement.continuations) {
    v1::MeasuredContinuation& to = *wire.add_continuations();
    to.mutable_tokens()->Add(one.tokens.begin(), one.tokens.end());
    to.mutable_logprobs()->Add(one.logprobs.begin(), one.logprobs.end());
  }
  if (measurement.value.has_value()) wire.set_value(*measurement.value);
}

void ToWire(const WeightsUpdate& update, v1::UpdateWeightsResponse& wire) {
  wire.set_version(update.version);
  wire.set_digest(update.digest);
  wire.set_seconds(absl::ToDoubleSeconds(update.took));
  wire.set_way(update.way);
}

// One call with one answer. The engine answers; gRPC deletes the reactor after that.
template <class SinkInterface, class Result, class Response>
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  // What both sides see; outlives the reactor where the engine still holds it.
  class Sink final : public SinkInterface {
   public:
    Sink(UnaryCall* call, Response* response) : call_(call), response_(response) {}
    void Done(const absl::StatusOr<Result>& result) override {
      if (result.ok()) ToWire(*result, *response_);
      call_->Finish(ToGrpc(result.status()));  // the call is alive until here
    }
    bool cancelled() const override { return cancelled_.load(); }
    void Cancel() { cancelled_.store(true); }

   private:
    UnaryCall* const call_;
    Response* const response_;
    std::atomic<bool> cancelled_{false};
  };

  explicit UnaryCall(Response* response) : sink_(std::make_shared<Sink>(this, response)) {}
  const std::shared_ptr<Sink>& sink() const { return sink_; }
  void OnCancel() override { sink_->Cancel(); }
  void OnDone() override { delete this; }

 private:
  const std::shared_ptr<Sink> sink_;
};

using UpdateCall = UnaryCall<UpdateSink, WeightsUpdate, v1::UpdateWeightsResponse>;
using MeasureCall = UnaryCall<MeasureSink, Measurement, v1::MeasureResponse>;

class RolloutService final : public v1::RolloutService::CallbackService {
 public:
  explicit RolloutService(const EngineDirectory& runs) : runs_(runs) {}

  grpc::ServerUnaryReactor* UpdateWeights(grpc::CallbackServerContext* context,
                                          const v1::UpdateWeightsRequest* request,
                                          v1::UpdateWeightsResponse* response) override {
    auto* call = new UpdateCall(response);
    const std::shared_ptr<UpdateCall::Sink> sink = call->sink();
    UpdateOrder order{.manifest = request->manifest(),
                      .deadline = absl::FromChrono(context->deadline()),
                      .sink = sink};
    const auto loop = runs_.Find(request->run());
    const absl::Status taken = loop.ok() ? (*loop)->Update(std::move(order)) : loop.status();
    if (!taken.ok()) sink->Done(taken);
    return call;
  }

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override {
    auto stream = std::make_shared<EpisodeStream>(request->lease_epoch(), request->samples_size());
    grpc::ServerWriteReactor<v1::GenerateResponse>* call = stream->Open();
    GroupRequest group = FromWire(*request);
    group.sink = stream;
    const auto loop = runs_.Find(request->run());
    const absl::Status taken = loop.ok() ? (*loop)->Generate(std::move(group)) : loop.status();
    if (!taken.ok()) stream->Done(taken);
    return call;
  }

  grpc::ServerUnaryReactor* Measure(grpc::CallbackServerContext* context,
                                    const v1::MeasureRequest* request,
                                    v1::MeasureResponse* response) override {
    auto* call = new MeasureCall(response);
    const std::shared_ptr<MeasureCall::Sink> sink = call->sink();
    MeasureRequest measure = FromWire(*request);
    measure.sink = sink;
    const auto loop = runs_.Find(request->run());
    const absl::Status taken = loop.ok() ? (*loop)->Measure(std::move(measure)) : loop.status();
    if (!taken.ok()) sink->Done(taken);
    return call;
  }

 private:
  const EngineDirectory& runs_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeRolloutService(const EngineDirectory& runs) {
  return std::make_unique<RolloutService>(runs);
}

}  // namespace temper::rollout
