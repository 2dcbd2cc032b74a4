// libcurl's callbacks note what came; one timer an exchange looks at the three clocks that libcurl
// does not keep.
#include "agents/endpoint/http/http_exchange.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::agents {
namespace {

constexpr absl::Duration kEndAfterAll = absl::Seconds(1);  // for the end of what is whole
constexpr size_t kIdleMax = 1024;

}  // namespace

struct HttpExchanges::Exchange {
  HttpExchanges* owner = nullptr;
  uint64_t number = 0;
  Post post;
  CurlHeaders headers;
  HttpHead head;
  std::array<char, CURL_ERROR_SIZE> words{};
  CurlEasy easy;  // dies before what it points to
  absl::Duration began, last_bytes;
  size_t bytes = 0;
  bool whole = false;     // all that matters has come
  bool too_long = false;  // more than may come has come
  MultiLoop::Timer timer;
};

HttpExchanges::HttpExchanges(MultiLoop& loop, HttpServer server, EndpointTimeouts timeouts,
                             size_t answer_bytes_max)
    : loop_(loop),
      server_(std::move(server)),
      timeouts_(timeouts),
      answer_bytes_max_(answer_bytes_max) {}

HttpExchanges::~HttpExchanges() { TEMPER_CHECK(exchanges_.empty()); }

size_t HttpExchanges::OnBytes(char* bytes, size_t, size_t count, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  const bool first = exchange.bytes == 0;
  exchange.bytes += count;
  exchange.last_bytes = exchange.owner->loop_.Now();
  exchange.too_long = exchange.bytes > exchange.owner->answer_bytes_max_;
  if (exchange.too_long) return 0;  // ends the transfer
  if (!exchange.whole) {
    exchange.whole = !exchange.post.on_bytes(exchange.head, std::string_view(bytes, count));
  }
  // From here on there is less to wait for than the timer knows.
  if (first || exchange.whole) exchange.owner->Rearm(exchange);
  return count;
}

size_t HttpExchanges::OnHeader(char* bytes, size_t, size_t count, void* user) {
  HttpHead& head = static_cast<Exchange*>(user)->head;
  const absl::string_view line(bytes, count);
  const size_t colon = line.find(':');
  if (line.substr(0, 5) == "HTTP/") {  // of an answer, or of "100 Continue" before it
    head = HttpHead();
    const size_t space = line.find(' ');
    if (space != line.npos && line.size() >= space + 4) {
      for (const char c : line.substr(space + 1, 3)) head.status = head.status * 10 + (c - '0');
    }
    return count;
  }
  if (colon == line.npos) return count;
  const std::string name = absl::AsciiStrToLower(line.substr(0, colon));
  const std::string value(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  if (name == "content-type") head.content_type = absl::AsciiStrToLower(value);
  if (name == "retry-after") head.retry_after = value;
  if (name == "retry-after-ms") head.retry_after_ms = value;
  if (name == "x-should-retry") head.x_should_retry = absl::AsciiStrToLower(value);
  return count;
}

uint64_t HttpExchanges::Start(Post post) {
  const uint64_t number = ++last_number_;
  auto made = std::make_unique<Exchange>();
  Exchange& exchange = *made;
  exchange.owner = this;
  exchange.number = number;
  exchange.post = std::move(post);
  exchange.began = exchange.last_bytes = loop_.Now();
  if (idle_.empty()) {
    exchange.easy.reset(curl_easy_init());
  } else {
    exchange.easy = std::move(idle_.back());
    idle_.pop_back();
  }
  TEMPER_CHECK(exchange.easy != nullptr);
  SetOptions(exchange);
  exchanges_.emplace(number, std::move(made));
  Arm(exchange);
  loop_.StartTransfer(exchange.easy.get(), [this, number](CURLcode code) {
    End(number, StatusOf(code, *exchanges_.at(number)));
  });
  return number;
}

void HttpExchanges::SetOptions(Exchange& exchange) {
  CURL* const easy = exchange.easy.get();
  const Post& post = exchange.post;
  AddHeader(exchange.headers, "Content-Type: application/json");
  // Without this, a long body waits for a "100 Continue" that many servers never send.
  AddHeader(exchange.headers, "Expect:");
  for (const std::string& header : post.headers) AddHeader(exchange.headers, header);
  SetHttpRules(easy, server_);
  curl_easy_setopt(easy, CURLOPT_URL, absl::StrCat(server_.url, post.path).c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange.headers.get());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(post.body.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post.body.data());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, OnBytes);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange.words.data());
  if (server_.url.starts_with("https")) {
    // Rather a stream of an open connection than another connection.
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  } else {
    // Without TLS nobody tells that a connection bears only one request: the second would wait.
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  }
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(timeouts_.connect)));
}

void HttpExchanges::Stop(uint64_t number) {
  const auto found = exchanges_.find(number);
  if (found == exchanges_.end()) return;
  loop_.StopTransfer(found->second->easy.get());
  loop_.Drop(found->second->timer);
  exchanges_.erase(found);  // the handle with it
}

absl::Duration HttpExchanges::QuietEnd(const Exchange& exchange) const {
  if (exchange.whole) return exchange.last_bytes + std::min(timeouts_.idle, kEndAfterAll);
  return exchange.last_bytes + (exchange.bytes == 0 ? timeouts_.first_byte : timeouts_.idle);
}

void HttpExchanges::Arm(Exchange& exchange) {
  const absl::Duration at = std::min(QuietEnd(exchange), exchange.began + timeouts_.total);
  exchange.timer = loop_.After(std::max(at - loop_.Now(), absl::ZeroDuration()),
                               [this, number = exchange.number] { LookAtTime(number); });
}

void HttpExchanges::Rearm(Exchange& exchange) {
  loop_.Drop(exchange.timer);
  Arm(exchange);
}

// Bytes that came meanwhile have moved the end.
void HttpExchanges::LookAtTime(uint64_t number) {
  Exchange& exchange = *exchanges_.at(number);
  const absl::Duration now = loop_.Now();
  const bool too_long = now >= exchange.began + timeouts_.total;
  if (!too_long && now < QuietEnd(exchange)) return Arm(exchange);
  loop_.StopTransfer(exchange.easy.get());
  if (exchange.whole) return End(number, absl::OkStatus());
  std::string words;
  if (too_long) {
    words = absl::StrCat("no whole answer within ", absl::FormatDuration(timeouts_.total));
  } else if (exchange.bytes == 0) {
    words =
        absl::StrCat("no byte of an answer within ", absl::FormatDuration(timeouts_.first_byte));
  } else {
    words = absl::StrCat("the answer stalled: nothing for ", absl::FormatDuration(timeouts_.idle));
  }
  End(number, absl::DeadlineExceededError(words));
}

void HttpExchanges::End(uint64_t number, absl::Status status) {
  const auto found = exchanges_.find(number);
  const std::unique_ptr<Exchange> exchange = std::move(found->second);
  exchanges_.erase(found);
  loop_.Drop(exchange->timer);
  const bool clean = status.ok();
  const std::function<void(HttpEnd)> on_end = std::move(exchange->post.on_end);
  HttpEnd end{.status = std::move(status), .head = std::move(exchange->head)};
  if (clean && idle_.size() < kIdleMax) {
    curl_easy_reset(exchange->easy.get());
    idle_.push_back(std::move(exchange->easy));
  }
  on_end(std::move(end));
}

absl::Status HttpExchanges::StatusOf(CURLcode code, const Exchange& exchange) const {
  if (code == CURLE_OK || exchange.whole) return absl::OkStatus();
  const std::string said =
      exchange.words[0] != '\0' ? exchange.words.data() : curl_easy_strerror(code);
  if (exchange.too_long) {
    return absl::OutOfRangeError(
        absl::StrCat("the answer is longer than the ", answer_bytes_max_, " bytes it may have"));
  }
  if (code == CURLE_OPERATION_TIMEDOUT) return absl::DeadlineExceededError(said);
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
    return absl::PermissionDeniedError(said);
  }
  return absl::UnavailableError(said);
}

}  // namespace temper::agents
