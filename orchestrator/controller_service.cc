// gRPC callbacks of the controller.
#include "orchestrator/controller_service.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/grpc_status.h"
#include "base/status_macros.h"
#include "orchestrator/event_stream.h"

namespace temper::orchestrator {
namespace {

// Finishes its call even when the question was thrown away unasked: nobody is left waiting.
class Answering {
 public:
  explicit Answering(grpc::ServerUnaryReactor* reactor) : reactor_(reactor) {}
  ~Answering() {
    if (reactor_ != nullptr) Finish(absl::UnavailableError("the controller is ending"));
  }
  void Finish(const absl::Status& status) {
    std::exchange(reactor_, nullptr)->Finish(ToGrpc(status));
  }

 private:
  grpc::ServerUnaryReactor* reactor_;
};

grpc::ServerUnaryReactor* Answer(Controller& controller, grpc::CallbackServerContext* context,
                                 std::function<absl::Status()> on_loop) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  auto answering = std::make_shared<Answering>(reactor);
  const bool taken =
      controller.Post([answering, on_loop = std::move(on_loop)] { answering->Finish(on_loop()); });
  if (!taken) answering->Finish(absl::ResourceExhaustedError("the controller's inbox is full"));
  return reactor;
}

}  // namespace

absl::Status ControllerServiceOnWire::CheckName(const std::string& name) const {
  if (name.empty() || name == controller_.run_name()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("run \"", name, "\" is not here; this controller has \"",
                                          controller_.run_name(), "\""));
}

grpc::ServerUnaryReactor* FleetServiceOnWire::Register(grpc::CallbackServerContext* context,
                                                            const v1::RegisterRequest* request,
                                                            v1::RegisterResponse* response) {
  return Answer(controller_, context, [=, this] { return controller_.Register(*request, *response); });
}

grpc::ServerUnaryReactor* FleetServiceOnWire::Heartbeat(grpc::CallbackServerContext* context,
                                                             const v1::HeartbeatRequest* request,
                                                             v1::HeartbeatResponse* response) {
  return Answer(controller_, context,
                [=, this] { return controller_.Heartbeat(*request, *response); });
}

grpc::ServerUnaryReactor* FleetServiceOnWire::ReportExit(grpc::CallbackServerContext* context,
                                                              const v1::ReportExitRequest* request,
                                                              v1::ReportExitResponse*) {
  return Answer(controller_, context, [=, this] {
    controller_.ReportExit(*request);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ControllerServiceOnWire::Get(grpc::CallbackServerContext* context,
                                                          const v1::GetRequest* request,
                                                          v1::GetResponse* response) {
  return Answer(controller_, context, [=, this]() -> absl::Status {
    TEMPER_RETURN_IF_ERROR(CheckName(request->run()));
    controller_.Describe(*response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ControllerServiceOnWire::List(grpc::CallbackServerContext* context,
                                                            const v1::ListRequest*,
                                                            v1::ListResponse* response) {
  return Answer(controller_, context, [=, this] {
    controller_.Describe(*response->add_runs());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ControllerServiceOnWire::Stop(grpc::CallbackServerContext* context,
                                                           const v1::StopRequest* request,
                                                           v1::StopResponse*) {
  return Answer(controller_, context, [=, this]() -> absl::Status {
    TEMPER_RETURN_IF_ERROR(CheckName(request->run()));
    controller_.RequestStop(request->reason().empty() ? "asked for by an operator"
                                                      : request->reason());
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<v1::WatchResponse>* ControllerServiceOnWire::Watch(
    grpc::CallbackServerContext*, const v1::WatchRequest* request) {
  auto stream = std::make_shared<EventStream>(request->from_sequence());
  stream->KeepAlive(stream);
  const absl::Status named = CheckName(request->run());
  const bool taken =
      named.ok() && controller_.Post([this, stream] { controller_.AddWatcher(stream); });
  if (!taken) {
    stream->Finish(ToGrpc(
        named.ok() ? absl::ResourceExhaustedError("the controller's inbox is full") : named));
  }
  return stream.get();
}

}  // namespace temper::orchestrator
