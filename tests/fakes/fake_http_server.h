// A tiny HTTP/1.1 server on loopback for tests of what talks to servers of others.
//
// Every connection has its thread; `answer` is called on it, many at once. Anything it cannot read
// fails the test.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::fakes {

struct FakeRequest {
  std::string method, path;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct FakeAnswer {
  enum class Fault {
    kNone,
    kClose,     // closes without a word
    kCutShort,  // closes in the middle of the body
    kSilence,   // says nothing until the server ends
  };
  int status = 200;
  std::string body;
  std::string headers = "";  // whole lines, each with its "\r\n"
  Fault fault = Fault::kNone;
};

class FakeHttpServer {
 public:
  using Handler = std::function<FakeAnswer(const FakeRequest& request)>;

  explicit FakeHttpServer(Handler answer) : answer_(std::move(answer)) {
    listening_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    TEMPER_CHECK(bind(listening_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    TEMPER_CHECK(listen(listening_, 128) == 0);
    TEMPER_CHECK(getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { Accept(); });
  }
  ~FakeHttpServer() {
    shutdown(listening_, SHUT_RDWR);
    accepting_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int connection : connections_) shutdown(connection, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    for (const int connection : connections_) close(connection);
    close(listening_);
  }

  int port() const { return port_; }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_, "/v1"); }

 private:
  void Accept() {
    for (;;) {
      const int connection = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      const std::lock_guard lock(mutex_);
      connections_.push_back(connection);
      threads_.emplace_back([this, connection] { Serve(connection); });
    }
  }

  void Serve(int connection) {
    std::string bytes;
    while (Answer(connection, bytes)) {
    }
    shutdown(connection, SHUT_RDWR);
  }

  // False when the connection is done.
  bool Answer(int connection, std::string& bytes) {
    size_t end = std::string::npos;
    while ((end = bytes.find("\r\n\r\n")) == std::string::npos) {
      if (!Receive(connection, bytes)) return false;
    }
    FakeRequest request;
    const size_t body_bytes = ReadHead(bytes.substr(0, end), request);
    while (bytes.size() < end + 4 + body_bytes) {
      if (!Receive(connection, bytes)) return false;
    }
    request.body = bytes.substr(end + 4, body_bytes);
    bytes.erase(0, end + 4 + body_bytes);
    const FakeAnswer answer = answer_(request);
    if (answer.fault == FakeAnswer::Fault::kClose) return false;
    if (answer.fault == FakeAnswer::Fault::kSilence) {
      while (Receive(connection, bytes)) {
      }
      return false;
    }
    const bool cut = answer.fault == FakeAnswer::Fault::kCutShort;
    const std::string sent = absl::StrCat(
        "HTTP/1.1 ", answer.status,
        " So\r\nContent-Type: application/json\r\nContent-Length: ", answer.body.size(), "\r\n",
        answer.headers, "\r\n", cut ? answer.body.substr(0, answer.body.size() / 2) : answer.body);
    for (size_t at = 0; at < sent.size();) {
      const ssize_t done = send(connection, sent.data() + at, sent.size() - at, MSG_NOSIGNAL);
      if (done <= 0) return false;
      at += static_cast<size_t>(done);
    }
    return !cut;
  }

  static bool Receive(int connection, std::string& bytes) {
    char part[65536];
    const ssize_t got = recv(connection, part, sizeof(part), 0);
    if (got > 0) bytes.append(part, static_cast<size_t>(got));
    return got > 0;
  }

  // Returns the length of the body.
  static size_t ReadHead(const std::string& head, FakeRequest& request) {
    size_t at = head.find("\r\n");
    const std::string first = head.substr(0, at);
    const size_t space = first.find(' ');
    request.method = first.substr(0, space);
    request.path = first.substr(space + 1, first.rfind(' ') - space - 1);
    while (at != std::string::npos) {
      const size_t next = head.find("\r\n", at + 2);
      const std::string line = head.substr(at + 2, next - at - 2);
      const size_t colon = line.find(": ");
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return std::tolower(c); });
      if (colon != std::string::npos) request.headers[name] = line.substr(colon + 2);
      at = next;
    }
    size_t bytes = 0;
    if (request.headers.contains("content-length") &&
        !absl::SimpleAtoi(request.headers["content-length"], &bytes)) {
      ADD_FAILURE() << "Content-Length: " << request.headers["content-length"];
    }
    return bytes;
  }

  const Handler answer_;
  int listening_ = -1;
  int port_ = 0;
  std::thread accepting_;
  std::mutex mutex_;
  std::vector<int> connections_;      // closed when the server ends, so that no number is reused
  std::vector<std::thread> threads_;  // after accepting_ ended: this thread's alone
};

}  // namespace temper::fakes
