// Keeps pages of other sites from driving a loopback server through a person's browser.
//
// A page of another site may send requests to loopback, and may point its own name at 127.0.0.1.
// So: the Host must be a loopback name, an Origin must be the same host and port, and a request
// that another site caused is refused. Pure; any thread.
#pragma once

#include <optional>
#include <string>

namespace httplib {
struct Request;
}  // namespace httplib

namespace temper {

struct Refusal {
  int http_code = 403;
  std::string message;
};

// Looks at the head of a request only. `page`: the path that other sites may link to; empty: none.
// Empty: it may come in.
std::optional<Refusal> RefuseForeignPage(const httplib::Request& request, const std::string& page);

}  // namespace temper
