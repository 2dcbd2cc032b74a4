// One accepted connection: reads and writes with deadlines, and knows when its client has gone.
//
// httplib reads the request and writes plain answers through the Stream it is; whoever wants to
// write an answer as it grows takes the connection over. One thread serves it; ClientGone() may be
// asked on any while it is served.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "httplib.h"

namespace temper {

class HttpConnection final : public httplib::Stream {
 public:
  struct Limits {
    absl::Duration request = absl::Seconds(30);  // for the whole request to arrive
    absl::Duration write = absl::Seconds(30);    // for a client that takes no bytes
    absl::Duration linger = absl::Seconds(1);    // for a client to close after its answer
  };

  // Takes the socket over.
  HttpConnection(int socket, Limits limits);
  // Half-closes and passes over what still comes, so that the client can read its answer.
  ~HttpConnection() override;

  // httplib's face. What it writes after TakeOver() is dropped.
  bool is_readable() const override;
  bool is_writable() const override { return !ClientGone(); }
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_.get(); }

  void TakeOver() { taken_over_ = true; }
  // All of it; false once the client is gone or has taken nothing for too long.
  bool Send(std::string_view bytes);
  // It has closed or broken the connection; one that has closed its sending half counts too.
  bool ClientGone() const;

 private:
  bool Await(short event, absl::Duration timeout) const;

  const UniqueFd socket_;
  const Limits limits_;
  const absl::Time began_;
  std::atomic<bool> broken_{false};
  bool taken_over_ = false;
  std::string read_;      // bytes that came and were not asked for yet
  size_t read_done_ = 0;  // of `read_`
};

}  // namespace temper
