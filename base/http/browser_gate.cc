// Host, Origin and what browsers say of themselves.
#include "base/http/browser_gate.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "httplib.h"

namespace temper {
namespace {

// Any port: a tunnel may lead here from another one, and names are what rebinding is about.
bool IsLoopbackHost(std::string_view host) {
  const size_t colon = host.rfind(':');
  std::string_view name = host;
  if (colon != std::string_view::npos && host.back() != ']') {
    const std::string_view port = host.substr(colon + 1);
    if (port.empty() || port.size() > 5 ||
        !std::all_of(port.begin(), port.end(),
                     [](unsigned char c) { return c >= '0' && c <= '9'; })) {
      return false;
    }
    name = host.substr(0, colon);
  }
  return name == "127.0.0.1" || name == "[::1]" ||
         absl::EqualsIgnoreCase({name.data(), name.size()}, "localhost");
}

}  // namespace

std::optional<Refusal> RefuseForeignPage(const httplib::Request& request, const std::string& page) {
  const std::string host = request.get_header_value("Host");
  if (request.get_header_value_count("Host") != 1 || !IsLoopbackHost(host)) {
    return Refusal{403, absl::StrCat("Host \"", host,
                                     "\" is no loopback name; open http://127.0.0.1:PORT/ itself")};
  }
  const std::string origin = request.get_header_value("Origin");
  if (request.has_header("Origin") && origin != "http://" + host) {
    return Refusal{403, absl::StrCat("Origin \"", origin, "\" is another site's")};
  }
  const std::string site = request.get_header_value("Sec-Fetch-Site");
  const bool opened = request.get_header_value("Sec-Fetch-Mode") == "navigate" && !page.empty() &&
                      request.path == page;
  if ((site == "cross-site" || site == "same-site") && !opened) {
    return Refusal{403, "another site caused this request"};
  }
  return std::nullopt;
}

}  // namespace temper
