// An epoll loop: connections that are kept, answers that wait for their time.
#include "tests/fakes/fake_openai_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "tests/fakes/fake_openai_answer.h"

namespace temper::fakes {
namespace {

using agents::FakeFault;
using agents::FakeReply;
using nlohmann::json;
using nlohmann::ordered_json;

std::string Chunk(const std::string& bytes) {
  return absl::StrCat(absl::Hex(bytes.size()), "\r\n", bytes, "\r\n");
}

}  // namespace

struct FakeOpenAiServer::Connection {
  int descriptor = -1;
  uint64_t identity = 0;  // descriptors are used again
  std::string in, out;
  bool answering = false;    // one request at a time
  bool close_after = false;  // once `out` is written
  bool waits_to_write = false;
};

struct FakeOpenAiServer::Due {
  int descriptor;
  uint64_t identity;
  std::function<void()> answer;
};

FakeOpenAiServer::FakeOpenAiServer(Options options)
    : options_([&options] {
        if (options.script == nullptr) options.script = std::make_shared<agents::FakeScript>();
        return std::move(options);
      }()) {
  listening_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  setsockopt(listening_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(options_.port));
  socklen_t size = sizeof(address);
  TEMPER_CHECK(bind(listening_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  TEMPER_CHECK(listen(listening_, 1024) == 0);
  TEMPER_CHECK(getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  for (const int each : {listening_, wake_}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = each}};
    TEMPER_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, each, &event) == 0);
  }
  thread_ = std::thread([this] { Loop(); });
}

FakeOpenAiServer::~FakeOpenAiServer() {
  ending_ = true;
  const uint64_t one = 1;
  TEMPER_CHECK(write(wake_, &one, sizeof(one)) == sizeof(one));
  thread_.join();
  for (const auto& entry : connections_) close(entry.first);
  close(listening_);
  close(epoll_);
  close(wake_);
}

std::string FakeOpenAiServer::url() const {
  return absl::StrCat("http://127.0.0.1:", port_, "/v1");
}

FakeOpenAiServer::Stats FakeOpenAiServer::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

std::vector<FakeOpenAiServer::Request> FakeOpenAiServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void FakeOpenAiServer::Loop() {
  std::vector<epoll_event> events(256);
  while (!ending_) {
    const int count =
        epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), WaitMilliseconds());
    for (int i = 0; i < count; ++i) {
      const int descriptor = events[i].data.fd;
      if (descriptor == listening_) Accept();
      const auto found = connections_.find(descriptor);
      if (found == connections_.end()) continue;
      if (events[i].events & EPOLLOUT) Flush(*found->second);
      if (!connections_.contains(descriptor)) continue;
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
        OnReadable(*found->second);
      }
    }
    RunDue();
  }
}

int FakeOpenAiServer::WaitMilliseconds() const {
  if (due_.empty()) return 1000;
  const absl::Duration left = due_.begin()->first - absl::Now();
  return static_cast<int>(std::clamp<int64_t>(
      absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))), 0, 1000));
}

void FakeOpenAiServer::RunDue() {
  const absl::Time now = absl::Now();
  while (!due_.empty() && due_.begin()->first <= now) {
    const Due due = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    const auto found = connections_.find(due.descriptor);
    if (found != connections_.end() && found->second->identity == due.identity) due.answer();
  }
}

void FakeOpenAiServer::Accept() {
  for (;;) {
    const int descriptor = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) return;
    const int yes = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    auto connection = std::make_unique<Connection>();
    connection->descriptor = descriptor;
    connection->identity = ++last_identity_;
    connections_[descriptor] = std::move(connection);
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.fd = descriptor}};
    TEMPER_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0);
  }
}

void FakeOpenAiServer::Close(int descriptor) {
  const auto found = connections_.find(descriptor);
  if (found == connections_.end()) return;
  if (found->second->answering) {
    const std::lock_guard lock(mutex_);
    ++stats_.disconnected;
    --stats_.open;
  }
  connections_.erase(found);
  close(descriptor);
}

void FakeOpenAiServer::OnReadable(Connection& connection) {
  const int descriptor = connection.descriptor;
  char part[65536];
  for (;;) {
    const ssize_t got = recv(descriptor, part, sizeof(part), 0);
    if (got > 0) {
      connection.in.append(part, static_cast<size_t>(got));
      continue;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    return Close(descriptor);
  }
  TakeRequests(connection);
}

// May close the connection.
void FakeOpenAiServer::TakeRequests(Connection& connection) {
  const int descriptor = connection.descriptor;
  const uint64_t identity = connection.identity;
  while (!connection.answering && !connection.close_after) {
    const size_t head_end = connection.in.find("\r\n\r\n");
    if (head_end == std::string::npos) return;
    const std::string head = connection.in.substr(0, head_end);
    size_t length = 0;
    const std::string lower = absl::AsciiStrToLower(head);
    if (const size_t at = lower.find("\r\ncontent-length:"); at != std::string::npos) {
      const size_t begin = at + 17;
      TEMPER_CHECK(absl::SimpleAtoi(lower.substr(begin, lower.find('\r', begin) - begin), &length));
    }
    if (connection.in.size() < head_end + 4 + length) return;
    const std::string body = connection.in.substr(head_end + 4, length);
    connection.in.erase(0, head_end + 4 + length);
    Handle(connection, head, body);
    const auto found = connections_.find(descriptor);
    if (found == connections_.end() || found->second->identity != identity) return;
  }
}

void FakeOpenAiServer::Handle(Connection& connection, const std::string& head,
                              const std::string& body) {
  const size_t space = head.find(' ');
  Request request;
  request.path = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
  if (head.starts_with("GET")) {
    const Stats now = stats();
    json answer = {{"object", "list"}, {"data", {{{"id", "fake"}, {"object", "model"}}}}};
    if (request.path.ends_with("/stats")) {
      answer = {{"requests", now.requests}, {"served", now.served},
                {"samples", now.samples},   {"scored", now.scored},
                {"faults", now.faults},     {"disconnected", now.disconnected},
                {"open", now.open},         {"open_max", now.open_max}};
    }
    return Write(connection, HttpAnswer(200, answer.dump()));
  }
  for (size_t at = head.find("\r\n"); at != std::string::npos;) {
    const size_t next = head.find("\r\n", at + 2);
    const std::string line = head.substr(at + 2, next - at - 2);
    const size_t colon = line.find(':');
    if (colon != std::string::npos) {
      request.headers[absl::AsciiStrToLower(line.substr(0, colon))] =
          std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
    }
    at = next;
  }
  request.body = json::parse(body, nullptr, /*allow_exceptions=*/false);
  {
    const std::lock_guard lock(mutex_);
    ++stats_.requests;
    if (options_.keeps_requests) requests_.push_back(request);
  }
  HandlePost(connection, std::move(request));
}

void FakeOpenAiServer::AnswerAfter(Connection& connection, absl::Duration latency,
                                   std::function<void()> answer) {
  if (latency <= absl::ZeroDuration()) return answer();
  due_.emplace(absl::Now() + latency,
               Due{connection.descriptor, connection.identity, std::move(answer)});
}

void FakeOpenAiServer::HandlePost(Connection& connection, Request request) {
  const json& body = request.body;
  int64_t open = 0;
  {
    const std::lock_guard lock(mutex_);
    open = ++stats_.open;
    stats_.open_max = std::max(stats_.open_max, open);
  }
  connection.answering = true;
  // Ends the answer: whatever is sent after it belongs to the next request.
  const auto finish = [this, &connection](std::string bytes, int64_t samples, int64_t scored,
                                          bool fault, bool close) {
    {
      const std::lock_guard lock(mutex_);
      --stats_.open;
      stats_.served += fault ? 0 : 1;
      stats_.faults += fault ? 1 : 0;
      stats_.samples += samples;
      stats_.scored += scored;
    }
    connection.answering = false;
    connection.close_after = close;
    Write(connection, bytes);  // may close it
  };
  const auto refuse = [&finish](int status, const std::string& error,
                                const std::string& headers = "") {
    finish(HttpAnswer(status, error, headers), 0, 0, true, false);
  };
  const bool known = request.path.ends_with("/chat/completions") ||
                     request.path.ends_with("/pooling") || request.path.ends_with("/classify") ||
                     request.path.ends_with("/score");
  if (!known) return refuse(404, ErrorJson("no such path", "not_found", ""));
  if (!body.is_object()) return refuse(400, ErrorJson("no JSON", "invalid_request_error", ""));
  const std::string wanted_key = absl::StrCat("Bearer ", options_.key);
  if (!options_.key.empty() && request.headers["authorization"] != wanted_key) {
    return refuse(401, ErrorJson("a wrong key", "invalid_request_error", "invalid_api_key"));
  }
  if (options_.echoes_key) {
    return refuse(400, ErrorJson(absl::StrCat("you came with ", request.headers["authorization"]),
                                 "invalid_request_error", ""));
  }
  if (options_.busy_above > 0 && open > options_.busy_above) {
    return refuse(429, R"({"status": 429, "title": "Too Many Requests"})");
  }
  if (options_.refuses_max_tokens && body.contains("max_tokens")) {
    return refuse(400, ErrorJson("Unsupported parameter: 'max_tokens' is not supported with this "
                                 "model. Use 'max_completion_tokens' instead.",
                                 "invalid_request_error", "unsupported_parameter", "max_tokens"));
  }
  const int64_t n = body.value("n", 1);
  if (options_.refuses_n && n > 1) {
    return refuse(400, ErrorJson("'n' must be 1", "invalid_request_error", ""));
  }
  ordered_json messages = ordered_json::array();
  if (body.contains("messages")) {
    messages = ordered_json(body["messages"]);
  } else {
    messages.push_back({{"role", "user"}, {"content", body.value("text_1", "")}});
    messages.push_back({{"role", "assistant"}, {"content", body.value("text_2", "")}});
  }
  const bool scores = !request.path.ends_with("/chat/completions") ||
                      (!messages.empty() && messages.back().value("role", "") == "assistant");
  const std::string model = body.value("model", "");
  agents::FakeQuestion question{.model = model, .messages = &messages};
  question.max_tokens = body.value("max_completion_tokens", body.value("max_tokens", INT64_MAX));
  question.logprobs = body.value("top_logprobs", 0) > 0;
  const uint32_t seed = body.value("seed", uint32_t{0});
  for (int64_t i = 0; i < (scores ? 0 : options_.ignores_n ? 1 : n); ++i) {
    question.samples.emplace_back((seed + static_cast<uint32_t>(i)) & 0x7fffffffu, i);
  }
  const FakeReply reply = options_.script->Answer(question, seed);
  const AnswerStyle style{
      .model = model,
      .usage = !options_.counts_no_tokens,
      .token_ids = options_.tells_token_ids && body.value("return_token_ids", false),
      .logprobs = body.value("logprobs", false),
      .thinks = options_.thinks};
  const bool stream = body.value("stream", false) && !options_.ignores_stream && !scores;
  const auto answer = [=, this, &connection] {
    const int64_t samples = static_cast<int64_t>(reply.texts.size());
    const std::string retry_after =
        reply.retry_after_seconds > 0
            ? absl::StrCat("Retry-After: ", reply.retry_after_seconds, "\r\n")
            : "";
    const auto fail = [&](int status, const std::string& error) {
      finish(HttpAnswer(status, error, retry_after), 0, 0, true, false);
    };
    switch (reply.fault) {
      case FakeFault::kHttp503:
        return fail(503, "the server is busy");
      case FakeFault::kHttp429:
        return fail(429, ErrorJson("slow down", "rate_limit_error", "rate_limit_exceeded"));
      case FakeFault::kQuota:
        return fail(429, ErrorJson("You exceeded your current quota", "insufficient_quota",
                                   "insufficient_quota"));
      case FakeFault::kBadRequest:
        return fail(400, ErrorJson("a bad request", "invalid_request_error", ""));
      case FakeFault::kContext:
        return fail(400, ErrorJson("This model's maximum context length is 8 tokens",
                                   "invalid_request_error", "context_length_exceeded"));
      default:
        break;
    }
    const bool broken = reply.fault == FakeFault::kTruncate || reply.fault == FakeFault::kStall ||
                        reply.fault == FakeFault::kErrorInStream;
    if (!stream) {
      const std::string whole =
          HttpAnswer(200, scores ? ScoreJson(request.path, reply, model) : ChatJson(reply, style));
      if (!broken) return finish(whole, scores ? 0 : samples, scores ? 1 : 0, false, false);
      if (reply.fault == FakeFault::kErrorInStream) {
        return finish(HttpAnswer(200, ErrorJson("the engine died", "server_error", "")), 0, 0, true,
                      false);
      }
      const std::string half = whole.substr(0, whole.size() - 20);
      if (reply.fault == FakeFault::kTruncate) return finish(half, 0, 0, true, true);
      return Write(connection, half);  // and no more: it stays open until the client goes
    }
    std::string bytes =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    bytes += Chunk(": hello\n\n");
    const std::vector<std::string> events = ChatEvents(reply, style);
    // Where it breaks off, no choice has a finish reason yet.
    const size_t whole = broken ? 2 * reply.texts.size() : events.size();
    for (size_t i = 0; i < whole; ++i) bytes += Chunk(events[i]);
    if (reply.fault == FakeFault::kStall) return Write(connection, bytes);
    if (reply.fault == FakeFault::kErrorInStream) {
      bytes +=
          Chunk(absl::StrCat("data: ", ErrorJson("the engine died", "server_error", ""), "\n\n"));
    }
    if (reply.fault != FakeFault::kTruncate) bytes += Chunk("data: [DONE]\n\n");
    bytes += "0\r\n\r\n";
    finish(bytes, broken ? 0 : samples, 0, broken, false);
  };
  AnswerAfter(connection, reply.latency, answer);
}

void FakeOpenAiServer::Write(Connection& connection, std::string_view bytes) {
  connection.out += bytes;
  Flush(connection);
}

void FakeOpenAiServer::Flush(Connection& connection) {
  while (!connection.out.empty()) {
    const ssize_t sent =
        send(connection.descriptor, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      connection.out.erase(0, static_cast<size_t>(sent));
      continue;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Close(connection.descriptor);
    break;
  }
  const bool waits = !connection.out.empty();
  if (waits != connection.waits_to_write) {
    connection.waits_to_write = waits;
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP | (waits ? uint32_t{EPOLLOUT} : 0u),
                      .data = {.fd = connection.descriptor}};
    TEMPER_CHECK(epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.descriptor, &event) == 0);
  }
  if (!waits && connection.close_after) Close(connection.descriptor);
}

}  // namespace temper::fakes
