// What every HTTP request of this program obeys, whoever drives libcurl: where it may go and whom
// it trusts.
//
// Certificates are verified, against the system's authorities or those of the file that
// SSL_CERT_FILE names; redirects are not followed, so that neither a prompt nor a key reaches a
// server nobody named; nothing compressed is accepted. Any thread.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace temper {

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using CurlEasy = std::unique_ptr<CURL, FreeEasy>;

struct FreeHeaderList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlHeaders = std::unique_ptr<curl_slist, FreeHeaderList>;

// A server that may be asked.
struct HttpServer {
  std::string url;        // as it was given, without slashes at its end
  bool loopback = false;  // on this host: no proxy, whatever the environment says
};

// `url`: http://HOST[:PORT][/PATH] or https://; INVALID_ARGUMENT for anything else, a user name, a
// query or a fragment among them. Makes libcurl ready for use.
absl::StatusOr<HttpServer> ParseHttpServer(const std::string& url);

// Sets everything that is the same for every request to `server`.
void SetHttpRules(CURL* easy, const HttpServer& server);

// Adds "Name: value" to the list.
void AddHeader(CurlHeaders& headers, const std::string& line);

}  // namespace temper
