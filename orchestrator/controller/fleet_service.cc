// Three questions to the registry.
#include "orchestrator/controller/fleet_service.h"

#include "orchestrator/controller/open_call.h"

namespace temper::orchestrator {

grpc::ServerUnaryReactor* FleetServiceOnWire::Register(grpc::CallbackServerContext* context,
                                                       const v1::RegisterRequest* request,
                                                       v1::RegisterResponse* response) {
  return AnswerOn(controller_, context, [=, this] {
    return controller_.registry().Register(*request, controller_.clock().Uptime(), *response);
  });
}

grpc::ServerUnaryReactor* FleetServiceOnWire::Heartbeat(grpc::CallbackServerContext* context,
                                                        const v1::HeartbeatRequest* request,
                                                        v1::HeartbeatResponse* response) {
  return AnswerOn(controller_, context, [=, this] {
    return controller_.registry().Heartbeat(*request, controller_.clock().Uptime(), *response);
  });
}

grpc::ServerUnaryReactor* FleetServiceOnWire::ReportExit(grpc::CallbackServerContext* context,
                                                         const v1::ReportExitRequest* request,
                                                         v1::ReportExitResponse*) {
  return AnswerOn(controller_, context, [=, this] {
    controller_.registry().ReportExit(*request);
    return absl::OkStatus();
  });
}

}  // namespace temper::orchestrator
