// Requests over HTTP: what all kinds of servers have in common. How one kind is asked, and how its
// answers are read, is its dialect.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "agents/endpoint/attempt.h"
#include "agents/endpoint/endpoints_file.h"
#include "agents/endpoint/http/http_exchange.h"
#include "agents/endpoint/http/server_error.h"
#include "agents/endpoint/multi_loop.h"

namespace temper::agents {

// One request on its way. On the loop's thread.
class HttpConversation {
 public:
  virtual ~HttpConversation() = default;
  virtual std::string Body() = 0;
  // A piece of an answer with a status of success; false once all that matters has come.
  virtual bool Feed(const HttpHead& head, std::string_view bytes) = 0;
  // After an answer with such a status, or none at all.
  virtual AttemptEnd End(const HttpEnd& ended, absl::Time now) = 0;
  // After a refusal: may learn from it, or make it something else.
  virtual void Learn(const ServerError& error, AttemptEnd& end) {}
};

class HttpDialect {
 public:
  virtual ~HttpDialect() = default;
  virtual const char* path() const = 0;
  virtual std::unique_ptr<HttpConversation> Begin(const Attempt& attempt) = 0;
};

class HttpWire : public Wire {
 public:
  // Reads keys from the environment. FAILED_PRECONDITION: a variable is not set, named.
  // INVALID_ARGUMENT: its value cannot stand in a header.
  static absl::StatusOr<std::unique_ptr<HttpWire>> Create(const EndpointSpec& spec, MultiLoop& loop,
                                                          std::unique_ptr<HttpDialect> dialect);

  uint64_t Send(const Attempt& attempt, std::function<void(AttemptEnd)> done) override;
  void Abort(uint64_t attempt) override { exchanges_.Stop(attempt); }
  int64_t PromptTokensMax(const nlohmann::ordered_json& messages) const override;

 private:
  HttpWire(const EndpointSpec& spec, HttpServer server, MultiLoop& loop,
           std::unique_ptr<HttpDialect> dialect);
  AttemptEnd Refused(HttpConversation& conversation, const HttpHead& head,
                     const std::string& body) const;
  // With "[key]" for every secret, in case the server echoes it.
  absl::Status WithoutSecrets(const absl::Status& status) const;

  MultiLoop& loop_;
  const std::unique_ptr<HttpDialect> dialect_;
  const double bytes_per_token_;
  HttpExchanges exchanges_;
  std::vector<std::string> headers_;
  std::vector<std::string> secrets_;
};

}  // namespace temper::agents
