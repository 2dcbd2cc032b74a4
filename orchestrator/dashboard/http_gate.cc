// Rules for the head of a request.
#include "orchestrator/dashboard/http_gate.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "httplib.h"

namespace temper::orchestrator {
namespace {

constexpr size_t kTargetBytesMax = 1024;
constexpr size_t kAuthorizationBytesMax = 4096;

std::optional<Refusal> RefusePost(const httplib::Request& request) {
  if (!request.has_header(kOwnHeader)) {
    return Refusal{403, absl::StrCat("a POST needs the header ", kOwnHeader, ": 1")};
  }
  std::string type = request.get_header_value("Content-Type");
  type = std::string(absl::StripAsciiWhitespace(type.substr(0, type.find(';'))));
  if (!absl::EqualsIgnoreCase(type, "application/json")) {
    return Refusal{415, absl::StrCat("Content-Type \"", type, "\"; expected application/json")};
  }
  if (request.has_header("Transfer-Encoding") || request.has_header("Content-Encoding")) {
    return Refusal{415, "a body is sent plain and whole, without Transfer- or Content-Encoding"};
  }
  uint64_t bytes = 0;
  if (request.get_header_value_count("Content-Length") != 1 ||
      !absl::SimpleAtoi(request.get_header_value("Content-Length"), &bytes)) {
    return Refusal{411, "a POST needs one Content-Length"};
  }
  if (bytes > kBodyBytesMax) {
    return Refusal{413, absl::StrCat("a body of ", bytes, " bytes; at most ", kBodyBytesMax)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> Refuse(const httplib::Request& request) {
  if (request.target.size() > kTargetBytesMax) {
    return Refusal{414, absl::StrCat("an address of ", request.target.size(), " bytes; at most ",
                                     kTargetBytesMax)};
  }
  if (auto refusal = RefuseForeignPage(request, "/")) return refusal;
  if (request.method != "GET" && request.method != "POST" && request.method != "HEAD") {
    return Refusal{405, absl::StrCat("method ", request.method, "; GET and POST are served")};
  }
  const std::string authorization = request.get_header_value("Authorization");
  const auto visible = [](unsigned char c) { return c >= 0x20 && c < 0x7f; };
  if (authorization.size() > kAuthorizationBytesMax ||
      !std::all_of(authorization.begin(), authorization.end(), visible)) {
    return Refusal{400, "Authorization is too long or holds bytes that are no printable ASCII"};
  }
  if (request.method == "POST") return RefusePost(request);
  return std::nullopt;
}

}  // namespace temper::orchestrator
