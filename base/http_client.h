// Posts to one HTTP server, by libcurl: bounded in time and in bytes, and never sent elsewhere.
//
// Certificates are verified, against the system's authorities or those of the file that
// SSL_CERT_FILE names; redirects are not followed, so that neither a prompt nor a key reaches
// a server nobody named; nothing compressed is accepted. Any thread; connections are kept and
// shared by all calls.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/stop.h"

namespace temper {

// What a server said, whatever its status.
struct HttpAnswer {
  int status = 0;  // 200, 404, ...
  std::string body;
  absl::Duration retry_after;  // of the header, where it is in seconds; else zero
};

// One POST.
struct HttpPost {
  std::string_view path;  // put after the server's URL: "/chat/completions"
  std::string_view body;
  std::vector<std::string> headers;  // "Name: value", without line ends
  absl::Duration timeout;            // of everything
  size_t answer_bytes_max = size_t{16} << 20;
};

class HttpClient {
 public:
  // `url`: http://HOST[:PORT][/PATH] or https://; INVALID_ARGUMENT for anything else, a user name,
  // a query or a fragment among them. stop: null, or what ends calls early with CANCELLED; outlives
  // the client.
  static absl::StatusOr<std::unique_ptr<HttpClient>> Create(const std::string& url,
                                                            const StopToken* stop = nullptr);
  ~HttpClient();

  // DEADLINE_EXCEEDED: no whole answer in time. RESOURCE_EXHAUSTED: the answer is longer than may
  // be. CANCELLED: stopped. PERMISSION_DENIED: the certificate is not to be trusted. UNAVAILABLE:
  // everything else that a network does.
  absl::StatusOr<HttpAnswer> Post(const HttpPost& post);

  // As it was given, without slashes at its end.
  const std::string& url() const { return url_; }

 private:
  class Connections;
  HttpClient(std::string url, bool loopback, const StopToken* stop);

  const std::string url_;
  const bool loopback_;
  const StopToken* const stop_;
  const std::unique_ptr<Connections> connections_;
};

}  // namespace temper
