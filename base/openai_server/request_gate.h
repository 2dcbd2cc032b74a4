// Who is let in to an OpenAI-compatible server, by the head of a request alone.
//
// With a key: whoever shows it. Without one the server is on loopback, and pages of other sites are
// kept out (base/http/browser_gate.h). What is posted is JSON, whole and plain. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/access/token_file.h"

namespace httplib {
struct Request;
}  // namespace httplib

namespace temper {

struct RequestRefusal {
  int http_code = 400;
  std::string message;
  std::string code;  // for programs; may be empty
};

class RequestGate {
 public:
  // api_key: empty: none is asked for. INVALID_ARGUMENT: no key that a header can carry, or too
  // short to be one.
  static absl::StatusOr<RequestGate> Create(const std::string& api_key, size_t body_bytes_max);

  // Empty: it may come in.
  std::optional<RequestRefusal> Refuse(const httplib::Request& request) const;

 private:
  RequestGate(std::optional<TokenTable> key, size_t body_bytes_max)
      : key_(std::move(key)), body_bytes_max_(body_bytes_max) {}

  std::optional<RequestRefusal> RefuseCaller(const httplib::Request& request) const;
  std::optional<RequestRefusal> RefuseBody(const httplib::Request& request) const;

  std::optional<TokenTable> key_;
  size_t body_bytes_max_;
};

}  // namespace temper
