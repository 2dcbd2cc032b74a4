// send() with MSG_NOSIGNAL: a peer that died is an answer, not a signal.
#include "reward/pool/frame.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/blocking.h"

namespace temper::reward {
namespace {

constexpr size_t kHeaderBytes = 4;
constexpr absl::Duration kRoomMax = absl::Minutes(2);  // the reader may be stopped for a while

std::array<char, kHeaderBytes> Header(size_t size) {
  std::array<char, kHeaderBytes> header;
  for (size_t i = 0; i < kHeaderBytes; ++i) header[i] = static_cast<char>(size >> (8 * i));
  return header;
}

size_t SizeIn(const char* header) {
  size_t size = 0;
  for (size_t i = 0; i < kHeaderBytes; ++i) {
    size |= static_cast<size_t>(static_cast<unsigned char>(header[i])) << (8 * i);
  }
  return size;
}

// False when the other end has taken nothing for a long time.
bool AwaitRoom(int descriptor) {
  pollfd room{descriptor, POLLOUT, 0};
  return PollFor(Wait::OrFail("room for an answer", kRoomMax), absl::MakeSpan(&room, 1)) > 0;
}

bool SendAll(int descriptor, std::string_view bytes, int flags) {
  while (!bytes.empty()) {
    const ssize_t sent =
        send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT | flags);
    if (sent < 0 && (errno == EINTR || (errno == EAGAIN && AwaitRoom(descriptor)))) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool ReceiveAll(int descriptor, char* to, size_t size) {
  while (size > 0) {
    const ssize_t got = recv(descriptor, to, size, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {
      pollfd bytes{descriptor, POLLIN, 0};
      PollFor(Wait::ForWork("a unit of work", absl::Minutes(1)), absl::MakeSpan(&bytes, 1));
      continue;
    }
    if (got <= 0) return false;
    to += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

}  // namespace

bool SendFrame(int descriptor, std::string_view bytes) {
  if (bytes.size() > kFrameBytesMax) return false;
  const auto header = Header(bytes.size());
  return SendAll(descriptor, {header.data(), header.size()}, MSG_MORE) &&
         SendAll(descriptor, bytes, 0);
}

std::optional<std::string> ReceiveFrame(int descriptor) {
  std::array<char, kHeaderBytes> header;
  if (!ReceiveAll(descriptor, header.data(), header.size())) return std::nullopt;
  const size_t size = SizeIn(header.data());
  if (size > kFrameBytesMax) return std::nullopt;
  std::string bytes(size, '\0');
  if (!ReceiveAll(descriptor, bytes.data(), size)) return std::nullopt;
  return bytes;
}

bool FrameReader::ReadFrom(int descriptor) {
  if (taken_ > 0) buffer_.erase(0, std::exchange(taken_, 0));
  constexpr size_t kPiece = 64 << 10;
  while (true) {
    const size_t before = buffer_.size();
    buffer_.resize(before + kPiece);
    const ssize_t got = recv(descriptor, buffer_.data() + before, kPiece, MSG_DONTWAIT);
    buffer_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    if (buffer_.size() >= kHeaderBytes && SizeIn(buffer_.data()) > kFrameBytesMax) return false;
    if (static_cast<size_t>(got) < kPiece) return true;
  }
}

std::optional<std::string_view> FrameReader::Next() {
  const std::string_view rest = std::string_view(buffer_).substr(taken_);
  if (rest.size() < kHeaderBytes) return std::nullopt;
  const size_t size = SizeIn(rest.data());
  if (size > kFrameBytesMax || rest.size() - kHeaderBytes < size) return std::nullopt;
  taken_ += kHeaderBytes + size;
  return rest.substr(kHeaderBytes, size);
}

void FrameWriter::Add(std::string_view bytes) {
  if (empty()) {
    buffer_.clear();
    sent_ = 0;
  }
  const auto header = Header(bytes.size());
  buffer_.append(header.data(), header.size());
  buffer_.append(bytes);
}

bool FrameWriter::WriteTo(int descriptor) {
  while (!empty()) {
    const ssize_t sent = send(descriptor, buffer_.data() + sent_, buffer_.size() - sent_,
                              MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    sent_ += static_cast<size_t>(sent);
  }
  return true;
}

}  // namespace temper::reward
