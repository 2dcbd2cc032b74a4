// URLs by libcurl's own parser; the options that bind every request.
#include "base/http_rules.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// "" where the URL has no such part.
std::string Part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return "";
  std::string copy(text);
  curl_free(text);
  return copy;
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

}  // namespace

absl::StatusOr<HttpServer> ParseHttpServer(const std::string& url) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  TEMPER_CHECK(started == CURLE_OK);
  const auto wrong = [&url](const char* why) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", url, "\": ", why, "; expected http[s]://HOST[:PORT][/PATH]"));
  };
  const std::unique_ptr<CURLU, FreeUrl> parsed(curl_url());
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return wrong("is no URL");
  }
  const std::string scheme = Part(parsed.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") return wrong("is neither http nor https");
  if (!Part(parsed.get(), CURLUPART_USER).empty() ||
      !Part(parsed.get(), CURLUPART_PASSWORD).empty()) {
    return wrong("holds a user name or password, which do not belong in a URL");
  }
  if (!Part(parsed.get(), CURLUPART_QUERY).empty() ||
      !Part(parsed.get(), CURLUPART_FRAGMENT).empty()) {
    return wrong("holds a query or a fragment");
  }
  HttpServer server{.url = url, .loopback = IsLoopback(Part(parsed.get(), CURLUPART_HOST))};
  while (server.url.ends_with('/')) server.url.pop_back();
  return server;
}

void SetHttpRules(CURL* easy, const HttpServer& server) {
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  // As other programs take it, for whoever has an authority of their own.
  if (const char* trusted = std::getenv("SSL_CERT_FILE"); trusted != nullptr) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, trusted);
  }
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "temper");
  if (server.loopback) curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

void AddHeader(CurlHeaders& headers, const std::string& line) {
  curl_slist* const longer = curl_slist_append(headers.get(), line.c_str());
  TEMPER_CHECK(longer != nullptr);
  static_cast<void>(headers.release());
  headers.reset(longer);
}

}  // namespace temper
