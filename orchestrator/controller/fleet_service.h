// FleetService on the wire: workers register and beat; the controller's loop answers.
#pragma once

#include "orchestrator/controller/controller.h"
#include "temper/v1/fleet.grpc.pb.h"

namespace temper::orchestrator {

class FleetServiceOnWire : public v1::FleetService::CallbackService {
 public:
  explicit FleetServiceOnWire(Controller& controller) : controller_(controller) {}

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context,
                                     const v1::RegisterRequest* request,
                                     v1::RegisterResponse* response) override;
  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context,
                                      const v1::HeartbeatRequest* request,
                                      v1::HeartbeatResponse* response) override;
  grpc::ServerUnaryReactor* ReportExit(grpc::CallbackServerContext* context,
                                       const v1::ReportExitRequest* request,
                                       v1::ReportExitResponse* response) override;

 private:
  Controller& controller_;
};

}  // namespace temper::orchestrator
