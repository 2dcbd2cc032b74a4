// Reading addresses; making sockets in private.
#include "base/access/listen_address.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace temper {
namespace {

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  in_addr four{};
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six{};
  return inet_pton(AF_INET6, host.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

absl::StatusOr<sockaddr_un> SocketName(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(name.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("unix:", path, ": a path of ", path.size(),
                                                   " bytes; expected 1 to ",
                                                   sizeof(name.sun_path) - 1));
  }
  std::memcpy(name.sun_path, path.data(), path.size());
  return name;
}

absl::Status CheckFree(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();  // what is wrong shows at bind
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, ": a file that is no socket is there; choose another path"));
  }
  TEMPER_ASSIGN_OR_RETURN(const sockaddr_un name, SocketName(path));
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int connected =
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name));
  if (connected == 0 || errno != ECONNREFUSED) {
    return absl::AlreadyExistsError(
        absl::StrCat("unix:", path, ": somebody listens there; choose another path"));
  }
  return absl::OkStatus();  // left behind by a process that was killed
}

}  // namespace

absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& address) {
  ListenAddress parsed;
  if (absl::StartsWith(address, "unix:")) {
    parsed.socket_path = address.substr(5);
    parsed.local = true;
    TEMPER_RETURN_IF_ERROR(SocketName(parsed.socket_path).status());
    return parsed;
  }
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon != std::string::npos) {
    parsed.host = address.substr(0, colon);
    const bool bracketed = absl::StartsWith(parsed.host, "[") && absl::EndsWith(parsed.host, "]");
    if (bracketed) parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
    if (!bracketed && parsed.host.find_first_of(":[]/") != std::string::npos) parsed.host.clear();
    if (!absl::SimpleAtoi(address.substr(colon + 1), &port)) port = -1;
  }
  if (parsed.host.empty() || port < 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen ", address, ": expected HOST:PORT, [IPV6]:PORT or unix:PATH"));
  }
  parsed.local = IsLoopback(parsed.host);
  return parsed;
}

absl::StatusOr<std::unique_ptr<PrivateSocket>> PrivateSocket::Prepare(const std::string& path) {
  TEMPER_RETURN_IF_ERROR(CheckFree(path));
  const std::string parent = Dirname(path);
  std::string folder = JoinPath(parent.empty() ? "." : parent, ".temper-XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) return ErrnoStatus(parent, "make a folder for a socket");
  std::unique_ptr<PrivateSocket> made(new PrivateSocket(path, folder));
  TEMPER_RETURN_IF_ERROR(SocketName(made->hidden_).status());
  return made;
}

PrivateSocket::PrivateSocket(std::string path, std::string folder)
    : path_(std::move(path)), folder_(std::move(folder)), hidden_(JoinPath(folder_, "s")) {}

PrivateSocket::~PrivateSocket() {
  unlink(published_ ? path_.c_str() : hidden_.c_str());
  rmdir(folder_.c_str());
}

absl::Status PrivateSocket::Publish() {
  if (chmod(hidden_.c_str(), 0600) != 0) return ErrnoStatus(hidden_, "set mode 0600");
  if (std::rename(hidden_.c_str(), path_.c_str()) != 0) return ErrnoStatus(path_, "put a socket");
  published_ = true;
  return absl::OkStatus();
}

}  // namespace temper
