// protobuf's own JSON does the work.
#include "orchestrator/dashboard/transcoding.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/nearest_name.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"
#include "temper/v1/controller.pb.h"

namespace temper::orchestrator {
namespace {

using google::protobuf::FieldDescriptor;

const google::protobuf::ServiceDescriptor& Service() {
  return *temper::v1::GetRequest::descriptor()->file()->FindServiceByName("ControllerService");
}

absl::Status FromProtobuf(const google::protobuf::util::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.code()),
                      std::string(status.message().data(), status.message().size()));
}

}  // namespace

absl::StatusOr<const google::protobuf::MethodDescriptor*> FindRpc(std::string_view name) {
  const auto* rpc = Service().FindMethodByName(std::string(name));
  if (rpc != nullptr) return rpc;
  std::vector<std::string> names;
  for (int i = 0; i < Service().method_count(); ++i) names.push_back(Service().method(i)->name());
  return absl::NotFoundError(absl::StrCat(
      "/v1/", std::string(name), ": ControllerService has no such rpc", Suggestion(name, names)));
}

std::string PathOf(const google::protobuf::MethodDescriptor& rpc) {
  return absl::StrCat("/", rpc.service()->full_name(), "/", rpc.name());
}

std::unique_ptr<google::protobuf::Message> NewMessage(const google::protobuf::Descriptor& type) {
  const auto* prototype =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type);
  TEMPER_CHECK(prototype != nullptr);
  return std::unique_ptr<google::protobuf::Message>(prototype->New());
}

absl::Status FromJson(std::string_view json, google::protobuf::Message& message) {
  const absl::Status parsed = FromProtobuf(
      google::protobuf::util::JsonStringToMessage({json.data(), json.size()}, &message));
  if (parsed.ok()) return parsed;
  return absl::InvalidArgumentError(absl::StrCat("the body is no ", message.GetTypeName(),
                                                 " in JSON: ", std::string(parsed.message())));
}

absl::StatusOr<std::string> ToBrowserJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const absl::Status printed =
      FromProtobuf(google::protobuf::util::MessageToJsonString(message, &text, options));
  if (!printed.ok()) return printed;
  return text;
}

absl::Status SetField(std::string_view field, std::string_view text,
                      google::protobuf::Message& message) {
  const auto* described = message.GetDescriptor()->FindFieldByName(std::string(field));
  if (described == nullptr || described->is_repeated() ||
      described->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return absl::InvalidArgumentError(absl::StrCat(
        "?", std::string(field), "=: ", message.GetTypeName(), " has no such plain field"));
  }
  nlohmann::json object;
  const bool flag = described->cpp_type() == FieldDescriptor::CPPTYPE_BOOL;
  if (flag && (text == "true" || text == "false")) {
    object[std::string(field)] = text == "true";
  } else {
    object[std::string(field)] = std::string(text);  // numbers are read from strings, too
  }
  const std::unique_ptr<google::protobuf::Message> part(message.New());
  TEMPER_CHECK(part != nullptr);
  const absl::Status read =
      FromJson(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), *part);
  if (read.ok()) message.MergeFrom(*part);
  return read;
}

int HttpCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

std::string ErrorJson(const absl::Status& status) {
  const nlohmann::json object = {{"code", absl::StatusCodeToString(status.code())},
                                 {"message", std::string(status.message())}};
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace temper::orchestrator
