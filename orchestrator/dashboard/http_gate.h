// Who is let in: the checks that keep pages of others from operating a run through a person's
// browser.
//
// A page of another site may send requests to loopback, and may point its own name at 127.0.0.1.
// So: the Host must be a loopback name, an Origin must be the same host and port, a request that
// another site caused is refused, and what is posted must be JSON under a header of ours, which no
// page of others can set without asking first. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace httplib {
struct Request;
}  // namespace httplib

namespace temper::orchestrator {

// Specs are the largest bodies.
inline constexpr size_t kBodyBytesMax = 1 << 20;
inline constexpr char kOwnHeader[] = "X-Temper-Dashboard";

struct Refusal {
  int http_code = 403;
  std::string message;
};

// Looks at the head of a request only. Empty: it may come in.
std::optional<Refusal> Refuse(const httplib::Request& request);

}  // namespace temper::orchestrator
