// One POST at a time over the loop's libcurl, with four timeouts, its answer told in pieces.
//
// None of the timeouts counts time in a line: an exchange begins when it is started. On the loop's
// thread alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "agents/endpoint/endpoints_file.h"
#include "agents/endpoint/multi_loop.h"
#include "base/http_rules.h"

namespace temper::agents {

// What a server said beside the body.
struct HttpHead {
  int status = 0;
  std::string content_type;  // in lower case
  std::string retry_after, retry_after_ms, x_should_retry;
};

struct HttpEnd {
  // OK: the answer's end came, whatever its status. DEADLINE_EXCEEDED: a timeout, named.
  // PERMISSION_DENIED: a certificate that is not to be trusted. OUT_OF_RANGE: longer than may be.
  // UNAVAILABLE: everything else that a network does.
  absl::Status status;
  HttpHead head;
};

// All exchanges with one server. Open ones must be stopped before it is destroyed.
class HttpExchanges {
 public:
  HttpExchanges(MultiLoop& loop, HttpServer server, EndpointTimeouts timeouts,
                size_t answer_bytes_max);
  ~HttpExchanges();

  struct Post {
    std::string path;  // after the server's URL
    std::string body;
    std::vector<std::string> headers;  // "Name: value"
    // A piece of the body. False: all that matters has come; what follows is waited for only
    // shortly.
    std::function<bool(const HttpHead& head, std::string_view bytes)> on_bytes;
    std::function<void(HttpEnd end)> on_end;  // once, never from within Start
  };
  uint64_t Start(Post post);
  // Closes its connection; nothing is told any more.
  void Stop(uint64_t exchange);

  const std::string& url() const { return server_.url; }

 private:
  struct Exchange;
  static size_t OnBytes(char* bytes, size_t, size_t count, void* user);
  static size_t OnHeader(char* bytes, size_t, size_t count, void* user);
  void SetOptions(Exchange& exchange);
  void LookAtTime(uint64_t number);
  absl::Duration QuietEnd(const Exchange& exchange) const;
  void Arm(Exchange& exchange);
  void Rearm(Exchange& exchange);
  void End(uint64_t number, absl::Status status);
  absl::Status StatusOf(CURLcode code, const Exchange& exchange) const;

  MultiLoop& loop_;
  const HttpServer server_;
  const EndpointTimeouts timeouts_;
  const size_t answer_bytes_max_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Exchange>> exchanges_;
  std::vector<CurlEasy> idle_;
  uint64_t last_number_ = 0;
};

}  // namespace temper::agents
