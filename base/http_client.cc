// libcurl's easy interface: one handle a call, idle handles kept for their connections.
#include "base/http_client.h"

#include <curl/curl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/http_rules.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/wait.h"

namespace temper {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(20);
constexpr size_t kIdleMax = 256;

// What libcurl's callbacks write to.
struct Arrival {
  std::string body;
  size_t bytes_max = 0;
  bool too_long = false;
  const StopToken* stop = nullptr;
};

size_t OnBytes(char* bytes, size_t, size_t count, void* user) {
  auto& arrival = *static_cast<Arrival*>(user);
  arrival.too_long = arrival.body.size() + count > arrival.bytes_max;
  if (arrival.too_long) return 0;  // ends the transfer
  arrival.body.append(bytes, count);
  return count;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& arrival = *static_cast<const Arrival*>(user);
  return arrival.stop != nullptr && arrival.stop->stopped() ? 1 : 0;
}

absl::Status Failure(CURLcode code, const std::string& url, const char* words,
                     const Arrival& arrival) {
  const std::string said = words[0] != '\0' ? words : curl_easy_strerror(code);
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError(absl::StrCat(url, ": ", said));
    case CURLE_ABORTED_BY_CALLBACK:
      return absl::CancelledError("stopped");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return absl::PermissionDeniedError(absl::StrCat(url, ": ", said));
    case CURLE_WRITE_ERROR:
      if (!arrival.too_long) break;
      return absl::ResourceExhaustedError(absl::StrCat(url, ": the answer is longer than the ",
                                                       arrival.bytes_max, " bytes it may have"));
    default:
      break;
  }
  return absl::UnavailableError(absl::StrCat(url, ": ", said));
}

}  // namespace

// Idle handles: each keeps its connection open.
class HttpClient::Connections {
 public:
  CurlEasy Take() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    if (idle_.empty()) return CurlEasy(curl_easy_init());
    CurlEasy taken = std::move(idle_.back());
    idle_.pop_back();
    return taken;
  }
  void GiveBack(CurlEasy easy) ABSL_LOCKS_EXCLUDED(mutex_) {
    curl_easy_reset(easy.get());  // the options; the connection stays
    MutexLock lock(mutex_);
    if (idle_.size() < kIdleMax) idle_.push_back(std::move(easy));
  }

 private:
  Mutex mutex_;
  std::vector<CurlEasy> idle_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<std::unique_ptr<HttpClient>> HttpClient::Create(const std::string& url,
                                                               const StopToken* stop) {
  TEMPER_ASSIGN_OR_RETURN(HttpServer server, ParseHttpServer(url));
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(server.url), server.loopback, stop));
}

HttpClient::HttpClient(std::string url, bool loopback, const StopToken* stop)
    : url_(std::move(url)),
      loopback_(loopback),
      stop_(stop),
      connections_(std::make_unique<Connections>()) {}

HttpClient::~HttpClient() = default;

absl::StatusOr<HttpAnswer> HttpClient::Post(const HttpPost& post) {
  const std::string url = url_ + std::string(post.path);
  Arrival arrival{.bytes_max = post.answer_bytes_max, .stop = stop_};
  char words[CURL_ERROR_SIZE] = "";
  CurlHeaders headers;
  AddHeader(headers, "Content-Type: application/json");
  // Without this, a long body waits for a "100 Continue" that many servers never send.
  AddHeader(headers, "Expect:");
  for (const std::string& header : post.headers) AddHeader(headers, header);
  CurlEasy easy = connections_->Take();  // dies before what it points to
  CURL* const handle = easy.get();
  TEMPER_CHECK(handle != nullptr);
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  SetHttpRules(handle, {.url = url_, .loopback = loopback_});
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(kConnectTimeout)));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(post.timeout)));
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(post.body.size()));
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, post.body.data());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, OnBytes);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &arrival);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &arrival);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, words);
  const CURLcode code = [&] {
    const Waiting waiting(Wait::OrFail(absl::StrCat("the answer of ", url), post.timeout));
    return curl_easy_perform(handle);
  }();
  if (code != CURLE_OK) return Failure(code, url, words, arrival);  // the handle is let go
  long status = 0;
  curl_off_t retry_after = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &retry_after);
  connections_->GiveBack(std::move(easy));
  return HttpAnswer{.status = static_cast<int>(status),
                    .body = std::move(arrival.body),
                    .retry_after = absl::Seconds(static_cast<int64_t>(retry_after))};
}

}  // namespace temper
