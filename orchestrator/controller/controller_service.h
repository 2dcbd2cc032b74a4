// ControllerService on the wire: callbacks check, enqueue and return; loops answer.
//
// controller_service.cc has what looks, run_orders.cc what changes a run, run_makers.cc what makes
// one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/access/server_side.h"
#include "orchestrator/controller/controller.h"
#include "orchestrator/controller/open_call.h"
#include "temper/v1/controller.grpc.pb.h"

namespace temper::orchestrator {

class ControllerServiceOnWire : public v1::ControllerService::CallbackService {
 public:
  explicit ControllerServiceOnWire(Controller& controller) : controller_(controller) {}

  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* Submit(Context*, const v1::SubmitRequest*, v1::SubmitResponse*) override;
  Unary* List(Context*, const v1::ListRequest*, v1::ListResponse*) override;
  Unary* Get(Context*, const v1::GetRequest*, v1::GetResponse*) override;
  grpc::ServerWriteReactor<v1::WatchResponse>* Watch(Context*, const v1::WatchRequest*) override;
  Unary* Pause(Context*, const v1::PauseRequest*, v1::PauseResponse*) override;
  Unary* Resume(Context*, const v1::ResumeRequest*, v1::ResumeResponse*) override;
  Unary* Drain(Context*, const v1::DrainRequest*, v1::DrainResponse*) override;
  Unary* Stop(Context*, const v1::StopRequest*, v1::StopResponse*) override;
  Unary* Alter(Context*, const v1::AlterRequest*, v1::AlterResponse*) override;
  Unary* Checkpoint(Context*, const v1::CheckpointRequest*, v1::CheckpointResponse*) override;
  Unary* Fork(Context*, const v1::ForkRequest*, v1::ForkResponse*) override;
  grpc::ServerWriteReactor<v1::ReplayResponse>* Replay(Context*, const v1::ReplayRequest*) override;
  Unary* GetSamples(Context*, const v1::GetSamplesRequest*, v1::GetSamplesResponse*) override;
  Unary* GetTimeline(Context*, const v1::GetTimelineRequest*, v1::GetTimelineResponse*) override;
  Unary* ListWaits(Context*, const v1::ListWaitsRequest*, v1::ListWaitsResponse*) override;
  Unary* ListWorkers(Context*, const v1::ListWorkersRequest*, v1::ListWorkersResponse*) override;
  Unary* CordonWorker(Context*, const v1::CordonWorkerRequest*, v1::CordonWorkerResponse*) override;
  Unary* QuarantinePrompt(Context*, const v1::QuarantinePromptRequest*,
                          v1::QuarantinePromptResponse*) override;

 private:
  template <class Request, class Response, class Fill>
  Unary* Command(Context* context, const Request* request, Response* response, Order order,
                 Fill fill);
  void CompleteWorkers(v1::GetResponse& run);
  // `again`: an earlier try may have done it and not been able to say so.
  using RememberableWork =
      std::function<absl::Status(const std::vector<v1::Worker>& workers, bool again)>;
  // Does long work on the workshop's thread, once for each request id.
  void RememberedWork(std::shared_ptr<OpenCall> call, const google::protobuf::Message& request,
                      const std::string& request_id, google::protobuf::Message* response,
                      RememberableWork work);

  Controller& controller_;
};

absl::Status CheckRequestId(const std::string& request_id);

}  // namespace temper::orchestrator
