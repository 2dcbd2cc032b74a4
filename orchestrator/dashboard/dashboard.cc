// Routes of the dashboard and the life of its HTTP server.
#include "orchestrator/dashboard/dashboard.h"

#include <sys/socket.h>

#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/http/connection_threads.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "base/thread.h"
#include "base/wait.h"
#include "httplib.h"
#include "nlohmann/json.hpp"
#include "orchestrator/dashboard/event_source.h"
#include "orchestrator/dashboard/generic_call.h"
#include "orchestrator/dashboard/http_gate.h"
#include "orchestrator/dashboard/page.h"
#include "orchestrator/dashboard/prometheus_text.h"
#include "orchestrator/dashboard/transcoding.h"
#include "orchestrator/trace_events.h"

namespace temper::orchestrator {
namespace {

using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

constexpr int kThreads = 32;
constexpr int kWaitingMax = 64;
constexpr int kStreamsMax = 16;  // the other threads answer questions
constexpr absl::Duration kCallTimeout = absl::Seconds(60);
constexpr absl::Duration kTick = absl::Milliseconds(200);  // how soon a stop is seen
constexpr char kJson[] = "application/json";

struct HostPort {
  std::string host;  // as the system resolves it
  std::string name;  // as it was written
  int port = 0;
};

absl::StatusOr<HostPort> ParseListen(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  HostPort parsed;
  if (colon != std::string::npos) parsed.name = listen.substr(0, colon);
  const bool known =
      parsed.name == "127.0.0.1" || parsed.name == "localhost" || parsed.name == "[::1]";
  if (!known || !absl::SimpleAtoi(listen.substr(colon + 1), &parsed.port) || parsed.port < 0 ||
      parsed.port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--dashboard ", listen,
        ": the dashboard serves loopback only; expected 127.0.0.1:PORT, localhost:PORT "
        "or [::1]:PORT (use a tunnel from elsewhere)"));
  }
  parsed.host = parsed.name == "[::1]" ? "::1" : parsed.name;
  return parsed;
}

void SetError(const absl::Status& status, httplib::Response& response) {
  response.status = HttpCode(status.code());
  response.set_content(ErrorJson(status), kJson);
}

httplib::Headers DefaultHeaders() {
  return {{"Content-Security-Policy",
           "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
          {"X-Content-Type-Options", "nosniff"},
          {"X-Frame-Options", "DENY"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Cache-Control", "no-store"}};
}

}  // namespace

class Dashboard::Server {
 public:
  explicit Server(std::shared_ptr<grpc::Channel> controller) : controller_(std::move(controller)) {
    http_.new_task_queue = [] { return new ConnectionThreads(kThreads, kWaitingMax); };
    http_.set_payload_max_length(kBodyBytesMax);
    http_.set_read_timeout(5, 0);
    http_.set_write_timeout(10, 0);
    // One request a connection: what a refused request leaves unread is never taken for the next.
    http_.set_keep_alive_max_count(1);
    http_.set_tcp_nodelay(true);
    http_.set_default_headers(DefaultHeaders());
    http_.set_socket_options([](int socket) {  // not SO_REUSEPORT: a port in use is refused
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    SetRoutes();
  }

  absl::StatusOr<std::string> Listen(const HostPort& at) {
    const int port = at.port != 0 ? (http_.bind_to_port(at.host, at.port) ? at.port : -1)
                                  : http_.bind_to_any_port(at.host);
    if (port <= 0) {
      return absl::UnavailableError(
          absl::StrCat("--dashboard ", at.name, ":", at.port,
                       ": cannot listen there (port in use?); choose another port, or 0 for a free "
                       "one"));
    }
    accepting_ = Thread("dashboard", [this] { http_.listen_after_bind(); });
    const Waiting waiting(Wait::OrFail("the dashboard's thread", absl::Seconds(10)));
    while (!http_.is_running() && waiting.Nap(absl::Milliseconds(1))) {
    }
    if (!http_.is_running()) return absl::UnavailableError("the dashboard's thread did not start");
    return absl::StrCat(at.name, ":", port);
  }

  void Stop() {
    stopping_.Stop();
    http_.stop();
    if (accepting_.joinable()) accepting_.Join(kLoopEnd, WaitPolicy::kFail);
  }

 private:
  using Request = httplib::Request;
  using Response = httplib::Response;

  void SetRoutes() {
    http_.set_pre_routing_handler([](const Request& request, Response& response) {
      const std::optional<Refusal> refusal = Refuse(request);
      if (!refusal.has_value()) return httplib::Server::HandlerResponse::Unhandled;
      response.status = refusal->http_code;
      response.set_content(ErrorJson(absl::PermissionDeniedError(refusal->message)), kJson);
      return httplib::Server::HandlerResponse::Handled;
    });
    http_.set_error_handler([](const Request& request, Response& response) {
      if (!response.body.empty()) return;
      response.set_content(
          ErrorJson(absl::NotFoundError(absl::StrCat("nothing is at ", request.path))), kJson);
    });
    for (const PageFile& file : PageFiles()) {
      http_.Get(std::string(file.path), [file](const Request&, Response& response) {
        response.set_content(file.bytes.data(), file.bytes.size(), std::string(file.type));
      });
    }
    http_.Post("/v1/([A-Za-z]+)", [this](const Request& request, Response& response) {
      Answer(request, response, &ReadBody);
    });
    http_.Get("/v1/Watch", [this](const Request& request, Response& response) {
      Answer(request, response, &ReadQuery);
    });
    http_.Get("/access",
              [this](const Request& request, Response& response) { Access(request, response); });
    http_.Get("/metrics",
              [this](const Request& request, Response& response) { Metrics(request, response); });
    http_.Get("/trace",
              [this](const Request& request, Response& response) { Trace(request, response); });
  }

  static absl::Status ReadBody(const Request& request, Message& message) {
    return FromJson(request.body.empty() ? "{}" : request.body, message);
  }

  static absl::Status ReadQuery(const Request& request, Message& message) {
    for (const auto& [field, text] : request.params) {
      TEMPER_RETURN_IF_ERROR(SetField(field, text, message));
    }
    return absl::OkStatus();
  }

  void Answer(const Request& request, Response& response,
              absl::Status (*read)(const Request&, Message&)) {
    const std::string name = request.path.substr(request.path.rfind('/') + 1);
    const auto rpc = FindRpc(name);
    if (!rpc.ok()) return SetError(rpc.status(), response);
    const std::unique_ptr<Message> question = NewMessage(*(*rpc)->input_type());
    const absl::Status understood = read(request, *question);
    if (!understood.ok()) return SetError(understood, response);
    if ((*rpc)->server_streaming()) return Stream(**rpc, *question, request, response);
    const std::unique_ptr<Message> answer = NewMessage(*(*rpc)->output_type());
    const absl::Status called = Call(**rpc, *question, request, *answer);
    if (!called.ok()) return SetError(called, response);
    const auto json = ToBrowserJson(*answer);
    if (!json.ok()) return SetError(json.status(), response);
    response.set_content(*json, kJson);
  }

  absl::Status Call(const MethodDescriptor& rpc, const Message& question, const Request& request,
                    Message& answer) {
    GenericCall call(controller_, PathOf(rpc), question,
                     {request.get_header_value("Authorization"), kCallTimeout});
    bool answered = false;
    while (!stopping_.stopped()) {
      const GenericCall::Outcome outcome = call.Next(kTick);
      if (outcome == GenericCall::Outcome::kMessage) {
        TEMPER_RETURN_IF_ERROR(call.Take(answer));
        answered = true;
      } else if (outcome == GenericCall::Outcome::kEnd) {
        if (!call.status().ok() || answered) return call.status();
        return absl::InternalError(absl::StrCat(rpc.name(), " ended without an answer"));
      }
    }
    return absl::UnavailableError("the dashboard is ending");
  }

  void Stream(const MethodDescriptor& rpc, const Message& question, const Request& request,
              Response& response) {
    auto source = EventSource::Open(
        {.streams_max = kStreamsMax, .open = &streams_, .stopping = &stopping_}, rpc,
        std::make_unique<GenericCall>(
            controller_, PathOf(rpc), question,
            GenericCall::Options{request.get_header_value("Authorization")}));
    if (!source.ok()) return SetError(source.status(), response);
    response.set_chunked_content_provider(
        "text/event-stream", [source = std::shared_ptr<EventSource>(*std::move(source))](
                                 size_t, httplib::DataSink& sink) { return source->Send(sink); });
  }

  // What the caller may do is the controller's to say: a dry run of an empty spec is refused to
  // readers by the role, to admins by its emptiness.
  void Access(const Request& request, Response& response) {
    temper::v1::SubmitRequest question;
    question.set_check(true);
    temper::v1::SubmitResponse answer;
    const absl::Status called = Call(**FindRpc("Submit"), question, request, answer);
    if (absl::IsUnauthenticated(called) || absl::IsUnavailable(called)) {
      return SetError(called, response);
    }
    const bool refused = absl::IsPermissionDenied(called);
    const nlohmann::json access = {{"may_change", !refused},
                                   {"reason", refused ? std::string(called.message()) : ""}};
    response.set_content(access.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
                         kJson);
  }

  void Metrics(const Request& request, Response& response) {
    temper::v1::ListResponse runs;
    const absl::Status called = Call(**FindRpc("List"), temper::v1::ListRequest(), request, runs);
    if (!called.ok()) return SetError(called, response);
    response.set_content(PrometheusText(runs), "text/plain; version=0.0.4; charset=utf-8");
  }

  void Trace(const Request& request, Response& response) {
    temper::v1::GetTimelineRequest question;
    const absl::Status understood = ReadQuery(request, question);
    if (!understood.ok()) return SetError(understood, response);
    temper::v1::GetTimelineResponse timeline;
    const absl::Status called = Call(**FindRpc("GetTimeline"), question, request, timeline);
    if (!called.ok()) return SetError(called, response);
    response.set_header("Content-Disposition", absl::StrCat("attachment; filename=\"step-",
                                                            timeline.step(), ".trace.json\""));
    response.set_content(TraceEvents(timeline, question.run()), kJson);
  }

  const std::shared_ptr<grpc::Channel> controller_;
  StopToken stopping_;
  std::atomic<int> streams_{0};
  httplib::Server http_;
  Thread accepting_;
};

Dashboard::Dashboard(std::unique_ptr<Server> server, std::string address)
    : server_(std::move(server)), address_(std::move(address)) {}

Dashboard::~Dashboard() { Stop(); }

void Dashboard::Stop() { server_->Stop(); }

absl::StatusOr<std::unique_ptr<Dashboard>> Dashboard::Start(Options options) {
  TEMPER_ASSIGN_OR_RETURN(const HostPort at, ParseListen(options.listen));
  auto server = std::make_unique<Server>(std::move(options.controller));
  TEMPER_ASSIGN_OR_RETURN(std::string address, server->Listen(at));
  return std::unique_ptr<Dashboard>(new Dashboard(std::move(server), std::move(address)));
}

}  // namespace temper::orchestrator
