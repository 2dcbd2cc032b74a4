// The controller on the wire, for people and for workers: callbacks check, enqueue and return; the
// loop answers.
#pragma once

#include "orchestrator/controller.h"
#include "temper/v1/controller.grpc.pb.h"
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

class ControllerServiceOnWire : public v1::ControllerService::CallbackService {
 public:
  explicit ControllerServiceOnWire(Controller& controller) : controller_(controller) {}

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context,
                                   const v1::GetRequest* request,
                                   v1::GetResponse* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                     const v1::ListRequest* request,
                                     v1::ListResponse* response) override;
  grpc::ServerUnaryReactor* Stop(grpc::CallbackServerContext* context,
                                    const v1::StopRequest* request,
                                    v1::StopResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchResponse>* Watch(
      grpc::CallbackServerContext* context, const v1::WatchRequest* request) override;

 private:
  absl::Status CheckName(const std::string& name) const;

  Controller& controller_;
};

}  // namespace temper::orchestrator
