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

using nlohmann::json;
using nlohmann::ordered_json;

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

// Whatever is sent after it belongs to the next request. May close the connection.
void FakeOpenAiServer::Finish(Connection& connection, const Outcome& outcome) {
  {
    const std::lock_guard lock(mutex_);
    --stats_.open;
    stats_.served += outcome.fault ? 0 : 1;
    stats_.faults += outcome.fault ? 1 : 0;
    stats_.samples += outcome.samples;
    stats_.scored += outcome.scored;
  }
  connection.answering = false;
  connection.close_after = outcome.close;
  Write(connection, outcome.bytes);
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
  if (const std::string refusal = RefusalOf(request, open); !refusal.empty()) {
    return Finish(connection, {.bytes = refusal, .fault = true});
  }
  ordered_json messages = ordered_json::array();
  if (body.contains("messages")) {
    messages = ordered_json(body["messages"]);
  } else {
    messages.push_back({{"role", "user"}, {"content", body.value("text_1", "")}});
    messages.push_back({{"role", "assistant"}, {"content", body.value("text_2", "")}});
  }
  Asked asked{.path = request.path, .style = {.model = body.value("model", "")}};
  asked.scores = !request.path.ends_with("/chat/completions") ||
                 (!messages.empty() && messages.back().value("role", "") == "assistant");
  asked.stream = body.value("stream", false) && !options_.ignores_stream && !asked.scores;
  asked.style.usage = !options_.counts_no_tokens;
  asked.style.token_ids = options_.tells_token_ids && body.value("return_token_ids", false);
  asked.style.logprobs = body.value("logprobs", false);
  asked.style.thinks = options_.thinks;
  agents::FakeQuestion question{.model = asked.style.model, .messages = &messages};
  question.max_tokens = body.value("max_completion_tokens", body.value("max_tokens", INT64_MAX));
  question.logprobs = body.value("top_logprobs", 0) > 0;
  const uint32_t seed = body.value("seed", uint32_t{0});
  const int64_t n = asked.scores ? 0 : options_.ignores_n ? 1 : body.value("n", 1);
  for (int64_t i = 0; i < n; ++i) {
    question.samples.emplace_back((seed + static_cast<uint32_t>(i)) & 0x7fffffffu, i);
  }
  asked.reply = options_.script->Answer(question, seed);
  AnswerAfter(connection, asked.reply.latency,
              [this, &connection, asked] { Answer(connection, asked); });
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
