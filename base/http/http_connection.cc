// poll, recv, send: none of them blocks beyond its Wait.
#include "base/http/http_connection.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "absl/time/clock.h"
#include "base/blocking.h"
#include "base/wait.h"

namespace temper {
namespace {

constexpr size_t kReadAtOnce = 16384;
// What a client may still be sending when it is refused.
constexpr size_t kPassedOverMax = size_t{16} << 20;

}  // namespace

HttpConnection::HttpConnection(int socket, Limits limits)
    : socket_(socket), limits_(limits), began_(absl::Now()) {
  fcntl(socket, F_SETFD, FD_CLOEXEC);  // programs that we start must not keep it open
}

HttpConnection::~HttpConnection() {
  shutdown(socket_.get(), SHUT_WR);
  const absl::Time give_up = absl::Now() + limits_.linger;
  std::string passed_over(kReadAtOnce, '\0');
  for (size_t bytes = 0; bytes < kPassedOverMax && Await(POLLIN, give_up - absl::Now());) {
    const ssize_t got = recv(socket_.get(), passed_over.data(), passed_over.size(), MSG_DONTWAIT);
    if (got <= 0) break;
    bytes += static_cast<size_t>(got);
  }
}

bool HttpConnection::Await(short event, absl::Duration timeout) const {
  pollfd wanted{socket_.get(), event, 0};
  if (PollNow(absl::MakeSpan(&wanted, 1)) > 0) return true;
  if (timeout <= absl::ZeroDuration()) return false;
  return PollFor(Wait::OrDrop("a client of our HTTP server", timeout), absl::MakeSpan(&wanted, 1)) >
         0;
}

bool HttpConnection::is_readable() const {
  return read_done_ < read_.size() || Await(POLLIN, absl::ZeroDuration());
}

ssize_t HttpConnection::read(char* to, size_t size) {
  if (read_done_ == read_.size()) {
    if (!Await(POLLIN, began_ + limits_.request - absl::Now())) return -1;
    read_.resize(kReadAtOnce);
    read_done_ = 0;
    const ssize_t got = recv(socket_.get(), read_.data(), read_.size(), MSG_DONTWAIT);
    read_.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got <= 0) return got;
  }
  const size_t taken = std::min(size, read_.size() - read_done_);
  std::copy_n(read_.data() + read_done_, taken, to);
  read_done_ += taken;
  return static_cast<ssize_t>(taken);
}

ssize_t HttpConnection::write(const char* from, size_t size) {
  if (taken_over_) return static_cast<ssize_t>(size);
  return Send({from, size}) ? static_cast<ssize_t>(size) : -1;
}

bool HttpConnection::Send(std::string_view bytes) {
  while (!bytes.empty() && !broken_.load()) {
    const ssize_t sent =
        send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!Await(POLLOUT, limits_.write)) broken_.store(true);
    } else if (errno != EINTR) {
      broken_.store(true);
    }
  }
  return !broken_.load();
}

bool HttpConnection::ClientGone() const {
  if (broken_.load()) return true;
  pollfd state{socket_.get(), POLLRDHUP, 0};
  return PollNow(absl::MakeSpan(&state, 1)) > 0;
}

void HttpConnection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear();  // nobody here decides by it
  port = -1;
}

void HttpConnection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = -1;
}

}  // namespace temper
