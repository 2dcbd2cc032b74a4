// The records that a process inside the sandbox writes to its channel, and the frames we write.
//
//   record := length (4 bytes, little-endian; of the rest)  nonce (32 bytes)  kind (1)  payload
//   frame  := length (4 bytes, little-endian; of the rest)  kind (1)  payload
//
// The nonce is "00..0" until we have sent a fresh one, and that one from then on. Whoever writes a
// record without knowing it is found out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace temper::reward {

inline constexpr size_t kNonceBytes = 32;
inline constexpr size_t kRecordBytesMax = 16 << 20;

struct Record {
  char kind = 0;
  std::string payload;  // ASCII without control characters
};

// One stream of records.
class RecordReader {
 public:
  // Bytes as they come, cut anywhere.
  void Feed(std::string_view bytes) { buffer_.append(bytes); }
  void Expect(std::string_view nonce) { nonce_ = nonce; }

  // Nothing yet; or the next record. After a failure nothing more can be read: PERMISSION_DENIED
  // for a wrong nonce, RESOURCE_EXHAUSTED for a record over kRecordBytesMax, else INVALID_ARGUMENT.
  absl::StatusOr<std::optional<Record>> Next();

 private:
  std::string buffer_;
  size_t taken_ = 0;
  std::string nonce_ = std::string(kNonceBytes, '0');
  absl::Status broken_;
};

std::string Frame(char kind, std::string_view payload);

// 128 random bits, in hexadecimal.
std::string FreshNonce();

}  // namespace temper::reward
