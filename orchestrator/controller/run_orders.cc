// Changing a run: each rpc is one order to its loop, answered when it is durable.
#include <utility>

#include "base/status_macros.h"
#include "orchestrator/controller/controller_service.h"

namespace temper::orchestrator {

template <class Request, class Response, class Fill>
ControllerServiceOnWire::Unary* ControllerServiceOnWire::Command(Context* context,
                                                                 const Request* request,
                                                                 Response* response, Order order,
                                                                 Fill fill) {
  auto open = std::make_shared<OpenCall>(context);
  Unary* const reactor = open->reactor();
  const auto run = controller_.Find(request->run());
  if (const absl::Status id = CheckRequestId(request->request_id()); !id.ok() || !run.ok()) {
    open->Finish(id.ok() ? run.status() : id);
    return reactor;
  }
  order.who = CallerOf(*context).name;
  OrderCall call{
      .request_id = request->request_id(),
      .digest = RequestDigest(*request),
      .order = std::move(order),
      .fill =
          [response, fill](const Answer& answer) {
            fill(answer, *response);
            return response->SerializeAsString();
          },
      .repeat = [response](const std::string& bytes) { response->ParseFromString(bytes); },
      .finish = [open](const absl::Status& status) { open->Finish(status); }};
  const bool taken = (*run)->Post(
      [loop = run->get(), call = std::move(call)]() mutable { loop->Take(std::move(call)); });
  if (!taken) open->Finish(InboxFull());
  return reactor;
}

namespace {

const auto kFillState = [](const Answer& answer, auto& response) {
  response.set_state(answer.state);
};

}  // namespace

ControllerServiceOnWire::Unary* ControllerServiceOnWire::Pause(Context* context,
                                                               const v1::PauseRequest* request,
                                                               v1::PauseResponse* response) {
  return Command(context, request, response, {.reason = request->reason(), .what = PauseRun{}},
                 kFillState);
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::Resume(Context* context,
                                                                const v1::ResumeRequest* request,
                                                                v1::ResumeResponse* response) {
  return Command(context, request, response, {.reason = request->reason(), .what = ResumeRun{}},
                 kFillState);
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::Drain(Context* context,
                                                               const v1::DrainRequest* request,
                                                               v1::DrainResponse* response) {
  return Command(context, request, response, {.reason = request->reason(), .what = DrainRun{}},
                 kFillState);
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::Stop(Context* context,
                                                              const v1::StopRequest* request,
                                                              v1::StopResponse* response) {
  return Command(context, request, response, {.reason = request->reason(), .what = StopRun{}},
                 kFillState);
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::Alter(Context* context,
                                                               const v1::AlterRequest* request,
                                                               v1::AlterResponse* response) {
  return Command(
      context, request, response,
      {.reason = request->reason(), .what = AlterRun{request->alteration()}},
      [](const Answer& answer, v1::AlterResponse& to) { *to.mutable_altered() = answer.altered; });
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::Checkpoint(
    Context* context, const v1::CheckpointRequest* request, v1::CheckpointResponse* response) {
  return Command(context, request, response, {.what = KeepCheckpoint{}},
                 [](const Answer& answer, v1::CheckpointResponse& to) {
                   *to.mutable_checkpoint() = answer.checkpoint;
                 });
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::QuarantinePrompt(
    Context* context, const v1::QuarantinePromptRequest* request,
    v1::QuarantinePromptResponse* response) {
  return Command(
      context, request, response,
      {.reason = request->reason(), .what = orchestrator::QuarantinePrompt{request->prompt_id()}},
      [](const Answer&, v1::QuarantinePromptResponse&) {});
}

}  // namespace temper::orchestrator
