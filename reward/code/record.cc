// Decodes what nobody trusts: each length and byte is looked at before it is used.
#include "reward/code/record.h"

#include <sys/random.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"

namespace temper::reward {
namespace {

constexpr size_t kLengthBytes = 4;

size_t Length(std::string_view bytes) {
  size_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= static_cast<size_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return length;
}

}  // namespace

absl::StatusOr<std::optional<Record>> RecordReader::Next() {
  if (!broken_.ok()) return broken_;
  const std::string_view left = std::string_view(buffer_).substr(taken_);
  if (left.size() < kLengthBytes) return std::nullopt;
  const size_t length = Length(left);
  if (length < kNonceBytes + 1) {
    return broken_ = absl::InvalidArgumentError("a record that is too short");
  }
  // The nonce first: a length that a stranger wrote means nothing.
  if (left.size() < kLengthBytes + kNonceBytes) return std::nullopt;
  if (left.substr(kLengthBytes, kNonceBytes) != nonce_) {
    return broken_ = absl::PermissionDeniedError("a record without the nonce");
  }
  if (length > kRecordBytesMax) {
    return broken_ = absl::ResourceExhaustedError(
               absl::StrCat("a record of ", length, " bytes, at most ", kRecordBytesMax));
  }
  if (left.size() < kLengthBytes + length) return std::nullopt;
  const std::string_view body = left.substr(kLengthBytes, length);
  Record record{body[kNonceBytes], std::string(body.substr(kNonceBytes + 1))};
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  if (!printable(record.kind) || !std::ranges::all_of(record.payload, printable)) {
    return broken_ = absl::InvalidArgumentError("a record that is not printable");
  }
  taken_ += kLengthBytes + length;
  if (taken_ == buffer_.size() || taken_ > kRecordBytesMax) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  return std::optional<Record>(std::move(record));
}

std::string Frame(char kind, std::string_view payload) {
  std::string frame;
  const size_t length = payload.size() + 1;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    frame.push_back(static_cast<char>(length >> (8 * i) & 0xff));
  }
  frame.push_back(kind);
  frame.append(payload);
  return frame;
}

std::string FreshNonce() {
  char bytes[kNonceBytes / 2];
  TEMPER_CHECK(getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes));
  return Hex(std::string_view(bytes, sizeof(bytes)));
}

}  // namespace temper::reward
