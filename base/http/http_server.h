// httplib's server, one request a connection, each connection an HttpConnection.
//
// What a refused request leaves unread is never taken for the next one. A port in use is refused.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/http/http_connection.h"
#include "base/thread.h"
#include "httplib.h"

namespace temper {

class HttpServer : public httplib::Server {
 public:
  struct Options {
    int threads = 32;      // as many connections are served at once
    int waiting_max = 64;  // and as many more wait in line
    HttpConnection::Limits limits;
  };
  explicit HttpServer(const Options& options);
  ~HttpServer() override { End(); }

  // host: as the system resolves it; port 0 picks a free one. The port; UNAVAILABLE: in use.
  absl::StatusOr<int> Begin(const std::string& host, int port);
  // Accepts nothing more and waits for the connections that are served. Safe to repeat.
  void End();

  // That the calling thread serves, within a handler.
  static HttpConnection& Current();

 private:
  bool process_and_close_socket(socket_t socket) override;

  const HttpConnection::Limits limits_;
  Thread accepting_;
};

}  // namespace temper
