// Headers and keys, statuses and their meaning.
#include "agents/endpoint/http/http_wire.h"

#include <cmath>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

constexpr size_t kRefusalBytesMax = 65536;
// What a chat template puts around a message, at most.
constexpr int64_t kTokensAroundAMessage = 32;

absl::StatusOr<std::string> Secret(const EndpointSpec& spec, const std::string& variable) {
  const char* const value = std::getenv(variable.c_str());
  if (value == nullptr || *value == '\0') {
    return absl::FailedPreconditionError(
        absl::StrCat("endpoint ", spec.name, ": the environment variable ", variable,
                     " is not set; it should hold the key for ", spec.url));
  }
  for (const char* c = value; *c != '\0'; ++c) {
    if (*c <= ' ' || *c >= 0x7f) {
      return absl::InvalidArgumentError(
          absl::StrCat("endpoint ", spec.name, ": the value of ", variable,
                       " holds a blank or a byte that is not printable ASCII"));
    }
  }
  return std::string(value);
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpWire>> HttpWire::Create(const EndpointSpec& spec,
                                                           MultiLoop& loop,
                                                           std::unique_ptr<HttpDialect> dialect) {
  TEMPER_ASSIGN_OR_RETURN(HttpServer server, ParseHttpServer(spec.url));
  std::unique_ptr<HttpWire> wire(new HttpWire(spec, std::move(server), loop, std::move(dialect)));
  for (const auto& [name, value] : spec.headers) {
    wire->headers_.push_back(absl::StrCat(name, ": ", value));
  }
  for (const auto& [name, variable] : spec.headers_env) {
    TEMPER_ASSIGN_OR_RETURN(std::string secret, Secret(spec, variable));
    wire->headers_.push_back(absl::StrCat(name, ": ", secret));
    wire->secrets_.push_back(std::move(secret));
  }
  if (!spec.key_env.empty()) {
    TEMPER_ASSIGN_OR_RETURN(std::string secret, Secret(spec, spec.key_env));
    wire->headers_.push_back(absl::StrCat("Authorization: Bearer ", secret));
    wire->secrets_.push_back(std::move(secret));
  }
  return wire;
}

HttpWire::HttpWire(const EndpointSpec& spec, HttpServer server, MultiLoop& loop,
                   std::unique_ptr<HttpDialect> dialect)
    : loop_(loop),
      dialect_(std::move(dialect)),
      bytes_per_token_(spec.prompt_bytes_per_token),
      exchanges_(loop, std::move(server), spec.timeouts, spec.answer_bytes_max) {}

uint64_t HttpWire::Send(const Attempt& attempt, std::function<void(AttemptEnd)> done) {
  std::shared_ptr<HttpConversation> conversation = dialect_->Begin(attempt);
  auto refusal = std::make_shared<std::string>();
  HttpExchanges::Post post{.path = dialect_->path(), .body = conversation->Body()};
  post.headers = headers_;
  post.headers.push_back(absl::StrCat("Idempotency-Key: ", attempt.idempotency_key));
  post.on_bytes = [conversation, refusal](const HttpHead& head, std::string_view bytes) {
    if (head.status >= 200 && head.status <= 299) return conversation->Feed(head, bytes);
    refusal->append(
        bytes.substr(0, kRefusalBytesMax - std::min(kRefusalBytesMax, refusal->size())));
    return true;
  };
  post.on_end = [this, conversation, refusal, done = std::move(done)](HttpEnd ended) {
    const int status = ended.head.status;
    AttemptEnd end = status != 0 && (status < 200 || status > 299)
                         ? Refused(*conversation, ended.head, *refusal)
                         : conversation->End(ended, loop_.Date());
    end.status = WithoutSecrets(end.status);
    done(std::move(end));
  };
  return exchanges_.Start(std::move(post));
}

AttemptEnd HttpWire::Refused(HttpConversation& conversation, const HttpHead& head,
                             const std::string& body) const {
  const ServerError error = ReadServerError(head.status, body);
  AttemptEnd end = EndOf(error, head, loop_.Date());
  conversation.Learn(error, end);
  return end;
}

absl::Status HttpWire::WithoutSecrets(const absl::Status& status) const {
  if (status.ok()) return status;
  std::string words =
      absl::StrCat(exchanges_.url(), dialect_->path(), ": ", std::string(status.message()));
  for (const std::string& secret : secrets_) {
    words = absl::StrReplaceAll(words, {{secret, "[key]"}});
  }
  return absl::Status(status.code(), words);
}

int64_t HttpWire::PromptTokensMax(const nlohmann::ordered_json& messages) const {
  int64_t bytes = 0;
  for (const nlohmann::ordered_json& message : messages) {
    for (const auto& entry : message.items()) {
      const nlohmann::ordered_json& value = entry.value();
      bytes += static_cast<int64_t>(
          value.is_string()
              ? value.get_ref<const std::string&>().size()
              : value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
                    .size());
    }
  }
  return static_cast<int64_t>(std::ceil(static_cast<double>(bytes) / bytes_per_token_)) +
         kTokensAroundAMessage * (static_cast<int64_t>(messages.size()) + 1);
}

}  // namespace temper::agents
