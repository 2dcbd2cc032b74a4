// An HTTP server that speaks OpenAI's API for whatever answers behind it.
//
//   POST /v1/chat/completions, /v1/completions      whole or streamed (server-sent events)
//   GET  /v1/models, /v1/models/ID, /health
//
// Every request has a thread of the server's own, on which the backend works; more than
// `requests_max` at once are refused with 429. docs/serving.md has what clients see. Any thread may
// start and stop it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/openai_server/chat_backend.h"

namespace temper {

class OpenAiServer {
 public:
  struct Options {
    // "127.0.0.1:8000", "[::1]:0"; port 0 picks a free one. Addresses that others can reach need a
    // key.
    std::string listen = "127.0.0.1:0";
    std::string api_key;  // that every request must show; empty: none is asked for
    int requests_max = 128;
    size_t body_bytes_max = size_t{4} << 20;
  };

  // What Start() would refuse, the port in use apart: for those whose backend is long to make.
  static absl::Status Check(const Options& options);
  // The backend outlives it. INVALID_ARGUMENT: the address or the key. UNAVAILABLE: the port is in
  // use.
  static absl::StatusOr<std::unique_ptr<OpenAiServer>> Start(Options options, ChatBackend& backend);
  // Accepts nothing more; answers under way have `grace` to end, then their CallEnd has ended.
  // Waits for them. Safe to repeat.
  void Stop(absl::Duration grace);
  ~OpenAiServer();  // Stop(0)

  // Where it serves, with the port that was chosen: "127.0.0.1:43211".
  const std::string& address() const { return address_; }

 private:
  class Server;

  OpenAiServer(std::unique_ptr<Server> server, std::string address);

  std::unique_ptr<Server> server_;
  std::string address_;
};

}  // namespace temper
