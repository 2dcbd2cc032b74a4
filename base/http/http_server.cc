// The life of a server and of each connection.
#include "base/http/http_server.h"

#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/http/connection_threads.h"
#include "base/wait.h"

namespace temper {
namespace {

thread_local HttpConnection* current = nullptr;

}  // namespace

HttpServer::HttpServer(const Options& options) : limits_(options.limits) {
  new_task_queue = [options] {
    return new ConnectionThreads(options.threads, options.waiting_max);
  };
  set_tcp_nodelay(true);
  set_socket_options([](int socket) {  // not SO_REUSEPORT: a port in use is refused
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
}

absl::StatusOr<int> HttpServer::Begin(const std::string& host, int port) {
  const int bound = port != 0 ? (bind_to_port(host, port) ? port : -1) : bind_to_any_port(host);
  if (bound <= 0) {
    return absl::UnavailableError(
        absl::StrCat(host, ":", port,
                     ": cannot listen there (port in use?); choose another port, "
                     "or 0 for a free one"));
  }
  accepting_ = Thread("http accept", [this] { listen_after_bind(); });
  const Waiting waiting(Wait::OrFail("the HTTP server's thread", absl::Seconds(10)));
  while (!is_running() && waiting.Nap(absl::Milliseconds(1))) {
  }
  if (!is_running()) return absl::UnavailableError("the HTTP server's thread did not start");
  return bound;
}

void HttpServer::End() {
  stop();
  if (accepting_.joinable()) accepting_.Join(kLoopEnd, WaitPolicy::kFail);
}

HttpConnection& HttpServer::Current() {
  TEMPER_CHECK(current != nullptr);
  return *current;
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  HttpConnection connection(socket, limits_);
  current = &connection;
  bool closed = false;
  const bool served = process_request(connection, /*close_connection=*/true, closed, nullptr);
  current = nullptr;
  return served;
}

}  // namespace temper
