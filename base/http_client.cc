// libcurl's easy interface: one handle a call, idle handles kept for their connections.
#include "base/http_client.h"

#include <curl/curl.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/wait.h"

namespace temper {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(20);
constexpr size_t kIdleMax = 256;

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, FreeEasy>;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

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
  Easy Take() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    if (idle_.empty()) return Easy(curl_easy_init());
    Easy taken = std::move(idle_.back());
    idle_.pop_back();
    return taken;
  }
  void GiveBack(Easy easy) ABSL_LOCKS_EXCLUDED(mutex_) {
    curl_easy_reset(easy.get());  // the options; the connection stays
    MutexLock lock(mutex_);
    if (idle_.size() < kIdleMax) idle_.push_back(std::move(easy));
  }

 private:
  Mutex mutex_;
  std::vector<Easy> idle_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<std::unique_ptr<HttpClient>> HttpClient::Create(const std::string& url,
                                                               const StopToken* stop) {
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
  std::string base = url;
  while (base.ends_with('/')) base.pop_back();
  return std::unique_ptr<HttpClient>(
      new HttpClient(std::move(base), IsLoopback(Part(parsed.get(), CURLUPART_HOST)), stop));
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
  HeaderList headers(curl_slist_append(nullptr, "Content-Type: application/json"));
  // Without this, a long body waits for a "100 Continue" that many servers never send.
  headers.reset(curl_slist_append(headers.release(), "Expect:"));
  for (const std::string& header : post.headers) {
    headers.reset(curl_slist_append(headers.release(), header.c_str()));
  }
  Easy easy = connections_->Take();  // dies before what it points to
  CURL* const handle = easy.get();
  TEMPER_CHECK(handle != nullptr);
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  // As other programs take it, for whoever has an authority of their own.
  if (const char* trusted = std::getenv("SSL_CERT_FILE"); trusted != nullptr) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, trusted);
  }
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "temper");
  if (loopback_) curl_easy_setopt(handle, CURLOPT_PROXY, "");  // whatever the environment says
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
