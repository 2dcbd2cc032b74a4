// JSON of the browser and messages of the wire: which rpc, its request, its answer, its errors.
//
// Everything comes from the descriptors of ControllerService, so that a new rpc is reachable
// without a line here. Pure functions; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace temper::orchestrator {

// name: "Get". NOT_FOUND names the nearest.
absl::StatusOr<const google::protobuf::MethodDescriptor*> FindRpc(std::string_view name);
// "/temper.v1.ControllerService/Get"
std::string PathOf(const google::protobuf::MethodDescriptor& rpc);
std::unique_ptr<google::protobuf::Message> NewMessage(const google::protobuf::Descriptor& type);

// protobuf's JSON, with the schema's field names and zeros printed; 64-bit numbers are strings and
// bytes are base64 there.
absl::Status FromJson(std::string_view json, google::protobuf::Message& message);
absl::StatusOr<std::string> ToBrowserJson(const google::protobuf::Message& message);
// Sets a field of `message` that is a string, a number or a bool from text.
absl::Status SetField(std::string_view field, std::string_view text,
                      google::protobuf::Message& message);

// 404 of NOT_FOUND and so on.
int HttpCode(absl::StatusCode code);
// {"code": "NOT_FOUND", "message": "..."}
std::string ErrorJson(const absl::Status& status);

}  // namespace temper::orchestrator
