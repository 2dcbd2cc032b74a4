// Routes, the life of a request, and how it all ends.
#include "base/openai_server/openai_server.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/access/listen_address.h"
#include "base/http/http_server.h"
#include "base/log.h"
#include "base/openai_server/answer_json.h"
#include "base/openai_server/answer_writer.h"
#include "base/openai_server/api_error.h"
#include "base/openai_server/request_gate.h"
#include "base/openai_server/request_parser.h"
#include "base/status_macros.h"
#include "httplib.h"
#include "nlohmann/json.hpp"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;
using httplib::Request;
using httplib::Response;

constexpr char kJson[] = "application/json";
constexpr int kSpareThreads = 8;  // they refuse what is too much, and answer /health
constexpr int kClientGone = 499;  // in the log; nobody reads it

struct Place {
  std::string host;   // as the system resolves it
  std::string shown;  // "[::1]"
  int port = 0;
};

absl::StatusOr<Place> ParsePlace(const std::string& listen, bool has_key) {
  TEMPER_ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(listen));
  if (!address.socket_path.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen ", listen, ": HTTP is served at HOST:PORT or [IPV6]:PORT"));
  }
  if (!address.local && !has_key) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--listen ", listen,
        ": others can reach this address, so an API key is needed (--api-key-env VARIABLE); "
        "or serve 127.0.0.1"));
  }
  const size_t colon = listen.rfind(':');
  Place place{address.host, listen.substr(0, colon)};
  (void)absl::SimpleAtoi(listen.substr(colon + 1), &place.port);  // ParseListenAddress saw to it
  return place;
}

std::string RandomHex() {
  std::random_device device;
  return absl::StrFormat("%08x%08x%08x", device(), device(), device());
}

httplib::Headers DefaultHeaders() {
  return {{"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-store"}};
}

Json ModelJson(const ServedModel& model) {
  Json json = {{"id", model.id},
               {"object", "model"},
               {"created", model.created},
               {"owned_by", model.owned_by}};
  if (model.context_tokens.has_value()) json["max_model_len"] = *model.context_tokens;
  return json;
}

absl::Status NoSuchModel(const std::string& id) {
  return WithParam(absl::NotFoundError(absl::StrCat("the model `", id.substr(0, 200),
                                                    "` is not served here; GET /v1/models lists "
                                                    "what is")),
                   "model", "model_not_found");
}

// The head and the chunks of an answer that is written as it grows.
class EventStream {
 public:
  EventStream(HttpConnection& connection, const Request& request, std::string id)
      : connection_(connection), chunked_(request.version != "HTTP/1.0"), id_(std::move(id)) {}

  void Send(std::string_view bytes) {
    if (!std::exchange(begun_, true)) {
      connection_.TakeOver();
      connection_.Send(absl::StrCat(
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n",
          "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nx-request-id: ", id_,
          chunked_ ? "\r\nTransfer-Encoding: chunked" : "", "\r\nConnection: close\r\n\r\n"));
    }
    connection_.Send(chunked_
                         ? absl::StrCat(absl::Hex(bytes.size()), "\r\n", std::string(bytes), "\r\n")
                         : std::string(bytes));
  }
  void End() {
    if (begun_ && chunked_) connection_.Send("0\r\n\r\n");
  }

 private:
  HttpConnection& connection_;
  const bool chunked_;
  const std::string id_;
  bool begun_ = false;
};

// One of the requests that are served at once.
class InFlight {
 public:
  explicit InFlight(std::atomic<int>& count) : count_(count), number_(count.fetch_add(1) + 1) {}
  ~InFlight() { count_.fetch_sub(1); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  int number() const { return number_; }

 private:
  std::atomic<int>& count_;
  const int number_;
};

}  // namespace

class OpenAiServer::Server {
 public:
  Server(const Options& options, RequestGate gate, ChatBackend& backend)
      : requests_max_(options.requests_max),
        gate_(std::move(gate)),
        backend_(backend),
        http_({.threads = options.requests_max + kSpareThreads}) {
    http_.set_payload_max_length(options.body_bytes_max);
    http_.set_default_headers(DefaultHeaders());
    SetRoutes();
  }

  absl::StatusOr<std::string> Listen(const Place& place) {
    TEMPER_ASSIGN_OR_RETURN(const int port, http_.Begin(place.host, place.port));
    return absl::StrCat(place.shown, ":", port);
  }

  void Stop(absl::Duration grace) {
    int64_t never = kNever;
    ends_at_.compare_exchange_strong(never, absl::ToUnixNanos(absl::Now() + grace));
    http_.End();
  }

 private:
  using Kind = ServedRequest::Kind;
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  class ClientEnd final : public CallEnd {
   public:
    ClientEnd(const HttpConnection& connection, const std::atomic<int64_t>& ends_at)
        : connection_(connection), ends_at_(ends_at) {}
    bool ended() const override {
      const int64_t at = ends_at_.load();
      return (at != kNever && absl::ToUnixNanos(absl::Now()) >= at) || connection_.ClientGone();
    }

   private:
    const HttpConnection& connection_;
    const std::atomic<int64_t>& ends_at_;
  };

  // What the log says of a request.
  struct Outcome {
    int status = 200;
    ServedUsage usage;
  };

  void SetRoutes() {
    http_.set_pre_routing_handler([this](const Request& request, Response& response) {
      const std::optional<RequestRefusal> refusal = gate_.Refuse(request);
      if (!refusal.has_value()) return httplib::Server::HandlerResponse::Unhandled;
      response.status = refusal->http_code;
      LogRefused(request, response);
      if (refusal->http_code == 401) response.set_header("WWW-Authenticate", "Bearer");
      response.set_content(Dump(ErrorBody(refusal->http_code, refusal->message, refusal->code)),
                           kJson);
      return httplib::Server::HandlerResponse::Handled;
    });
    http_.set_error_handler([](const Request& request, Response& response) {
      if (response.body.empty()) SetHttpError(request, response);
    });
    http_.set_exception_handler([](const Request&, Response& response, std::exception_ptr) {
      response.status = 500;  // out of memory; we throw nothing ourselves
      response.set_content(Dump(ErrorBody(500, "the server could not make this answer")), kJson);
    });
    http_.Post("/v1/chat/completions", [this](const Request& request, Response& response) {
      Serve(Kind::kChat, request, response);
    });
    http_.Post("/v1/completions", [this](const Request& request, Response& response) {
      Serve(Kind::kCompletion, request, response);
    });
    http_.Get("/v1/models", [this](const Request&, Response& response) { ListModels(response); });
    http_.Get("/v1/models/(.+)", [this](const Request& request, Response& response) {
      ShowModel(request.matches[1], response);
    });
    http_.Get("/health", [](const Request&, Response& response) {
      response.set_content("{\"status\":\"ok\"}", kJson);
    });
  }

  // What httplib itself refuses, and what nobody serves.
  static void SetHttpError(const Request& request, Response& response) {
    const bool posted = request.path == "/v1/chat/completions" || request.path == "/v1/completions";
    if (response.status == 404 &&
        (posted || request.path == "/v1/models" || request.path == "/health")) {
      response.status = 405;
      response.set_header("Allow", posted ? "POST" : "GET");
      response.set_content(
          Dump(ErrorBody(405, absl::StrCat(request.path, " is for ", posted ? "POST" : "GET"),
                         "method_not_allowed")),
          kJson);
      return;
    }
    const std::string message = response.status == 404
                                    ? absl::StrCat("nothing is at ", request.path)
                                    : "the request is no HTTP that is served here";
    response.set_content(Dump(ErrorBody(response.status, message)), kJson);
  }

  static void SetError(const absl::Status& error, Response& response) {
    response.status = HttpStatusOf(error);
    if (response.status == 429 || response.status == 503) response.set_header("Retry-After", "1");
    response.set_content(Dump(ErrorBody(error)), kJson);
  }

  static void LogRefused(const Request& http, const Response& response) {
    log::Info("refused", {{"path", http.path.substr(0, 100)}, {"status", response.status}});
  }

  void ListModels(Response& response) {
    Json list = Json::array();
    for (const ServedModel& model : backend_.Models()) list.push_back(ModelJson(model));
    response.set_content(Dump({{"object", "list"}, {"data", std::move(list)}}), kJson);
  }

  void ShowModel(const std::string& id, Response& response) {
    for (const ServedModel& model : backend_.Models()) {
      if (model.id == id) return response.set_content(Dump(ModelJson(model)), kJson);
    }
    SetError(NoSuchModel(id), response);
  }

  // Where the server has one model only, a request need not name it.
  absl::Status CheckModel(ServedRequest& request) {
    const std::vector<ServedModel> models = backend_.Models();
    if (request.model.empty() && models.size() == 1) request.model = models[0].id;
    if (request.model.empty()) return FieldError("model", "expected the id of a model");
    const bool known = std::any_of(models.begin(), models.end(), [&](const ServedModel& model) {
      return model.id == request.model;
    });
    return known ? absl::OkStatus() : NoSuchModel(request.model);
  }

  absl::StatusOr<ServedRequest> Read(Kind kind, const Request& http) {
    if (ends_at_.load() != kNever) return absl::UnavailableError("the server is ending");
    TEMPER_ASSIGN_OR_RETURN(
        ServedRequest request,
        ParseServedRequest(kind, http.body, http.get_header_value("Idempotency-Key")));
    TEMPER_RETURN_IF_ERROR(CheckModel(request));
    return request;
  }

  void Serve(Kind kind, const Request& http, Response& response) {
    const absl::Time began = absl::Now();
    const InFlight place(in_flight_);
    const absl::StatusOr<ServedRequest> request =
        place.number() <= requests_max_
            ? Read(kind, http)
            : absl::ResourceExhaustedError(absl::StrCat(
                  requests_max_, " requests are served at once, as many as may be; try again"));
    if (!request.ok()) {
      SetError(request.status(), response);
      return LogRefused(http, response);
    }
    const std::string id = absl::StrCat(kind == Kind::kChat ? "chatcmpl-" : "cmpl-", RandomHex());
    AnswerForm form(*request, id, absl::ToUnixSeconds(began));
    response.set_header("x-request-id", id);
    const Outcome outcome = request->stream ? ServeStream(*request, http, form, response)
                                            : ServeWhole(*request, form, response);
    log::Info("answered", {{"id", id},
                           {"path", http.path},
                           {"status", outcome.status},
                           {"model", request->model},
                           {"stream", request->stream ? "yes" : "no"},
                           {"choices", request->choices()},
                           {"prompt_tokens", outcome.usage.prompt_tokens},
                           {"completion_tokens", outcome.usage.completion_tokens},
                           {"seconds", absl::ToDoubleSeconds(absl::Now() - began)}});
  }

  Outcome ServeWhole(const ServedRequest& request, const AnswerForm& form, Response& response) {
    HttpConnection& connection = HttpServer::Current();
    const ClientEnd end(connection, ends_at_);
    WholeAnswer answer(request, form);
    const absl::StatusOr<ServedUsage> usage = backend_.Serve(request, answer, end);
    const absl::StatusOr<std::string> body =
        usage.ok() ? answer.Body(*usage) : absl::StatusOr<std::string>(usage.status());
    if (body.ok()) {
      response.set_content(*body, kJson);
      return {200, *usage};
    }
    SetError(body.status(), response);
    return {connection.ClientGone() ? kClientGone : response.status};
  }

  Outcome ServeStream(const ServedRequest& request, const Request& http, AnswerForm& form,
                      Response& response) {
    HttpConnection& connection = HttpServer::Current();
    const ClientEnd end(connection, ends_at_);
    EventStream events(connection, http, form.id());
    StreamedAnswer answer(request, form, [&events](std::string_view event) { events.Send(event); });
    const absl::StatusOr<ServedUsage> usage = backend_.Serve(request, answer, end);
    const bool gone = connection.ClientGone();
    const absl::Status ended = usage.ok() ? answer.End(*usage) : usage.status();
    if (!usage.ok() && answer.begun()) answer.Break(usage.status());
    if (!answer.begun()) {
      SetError(ended, response);
      return {gone ? kClientGone : response.status};
    }
    events.End();
    return {gone && !ended.ok() ? kClientGone
            : ended.ok()        ? 200
                                : HttpStatusOf(ended),
            usage.ok() ? *usage : ServedUsage()};
  }

  const int requests_max_;
  const RequestGate gate_;
  ChatBackend& backend_;
  std::atomic<int64_t> ends_at_{kNever};  // Unix nanoseconds
  std::atomic<int> in_flight_{0};
  HttpServer http_;
};

OpenAiServer::OpenAiServer(std::unique_ptr<Server> server, std::string address)
    : server_(std::move(server)), address_(std::move(address)) {}

OpenAiServer::~OpenAiServer() { Stop(absl::ZeroDuration()); }

void OpenAiServer::Stop(absl::Duration grace) { server_->Stop(grace); }

absl::Status OpenAiServer::Check(const Options& options) {
  TEMPER_RETURN_IF_ERROR(ParsePlace(options.listen, !options.api_key.empty()).status());
  return RequestGate::Create(options.api_key, options.body_bytes_max).status();
}

absl::StatusOr<std::unique_ptr<OpenAiServer>> OpenAiServer::Start(Options options,
                                                                  ChatBackend& backend) {
  TEMPER_ASSIGN_OR_RETURN(const Place place, ParsePlace(options.listen, !options.api_key.empty()));
  TEMPER_ASSIGN_OR_RETURN(RequestGate gate,
                          RequestGate::Create(options.api_key, options.body_bytes_max));
  auto server = std::make_unique<Server>(options, std::move(gate), backend);
  TEMPER_ASSIGN_OR_RETURN(std::string address, server->Listen(place));
  return std::unique_ptr<OpenAiServer>(new OpenAiServer(std::move(server), std::move(address)));
}

}  // namespace temper
