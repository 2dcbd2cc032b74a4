// Opcodes as pickletools names them.
#include "orchestrator/eval/pickled_text.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "base/utf8.h"

namespace temper::eval {
namespace {

constexpr char kProto = '\x80', kFrame = '\x95', kShortBinUnicode = '\x8c', kBinUnicode = 'X',
               kBinUnicode8 = '\x8d', kMemoize = '\x94', kBinPut = 'q', kStop = '.';

// Takes bytes from the front; says once and for all that there were too few.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : left_(bytes) {}

  bool TakeIf(char opcode) {
    if (left_.empty() || left_.front() != opcode) return false;
    left_.remove_prefix(1);
    return true;
  }
  // Little-endian.
  uint64_t TakeNumber(int bytes) {
    uint64_t number = 0;
    for (int i = 0; i < bytes; ++i) {
      if (left_.empty()) {
        short_ = true;
        return 0;
      }
      number |= static_cast<uint64_t>(static_cast<unsigned char>(left_.front())) << (8 * i);
      left_.remove_prefix(1);
    }
    return number;
  }
  std::string_view TakeText(uint64_t bytes) {
    if (bytes > left_.size()) {
      short_ = true;
      return "";
    }
    const std::string_view text = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return text;
  }
  size_t size() const { return left_.size(); }
  bool complete() const { return !short_; }

 private:
  std::string_view left_;
  bool short_ = false;
};

absl::Status Refusal(std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("is no pickle of one string: ", std::string(why)));
}

}  // namespace

absl::StatusOr<std::string> ReadPickledText(std::string_view pickle) {
  Bytes bytes(pickle);
  if (!bytes.TakeIf(kProto)) return Refusal("it does not begin with a protocol");
  const uint64_t protocol = bytes.TakeNumber(1);
  if (protocol < 2 || protocol > 5) return Refusal("its protocol is none of 2 to 5");
  if (bytes.TakeIf(kFrame) && bytes.TakeNumber(8) != bytes.size()) {
    return Refusal("its frame has another length");
  }
  int length_bytes = 0;
  if (bytes.TakeIf(kShortBinUnicode)) {
    length_bytes = 1;
  } else if (bytes.TakeIf(kBinUnicode)) {
    length_bytes = 4;
  } else if (bytes.TakeIf(kBinUnicode8)) {
    length_bytes = 8;
  } else {
    return Refusal("it holds something else than a string");
  }
  const std::string_view text = bytes.TakeText(bytes.TakeNumber(length_bytes));
  if (!bytes.TakeIf(kMemoize) && bytes.TakeIf(kBinPut)) bytes.TakeNumber(1);
  if (!bytes.TakeIf(kStop) || !bytes.complete()) return Refusal("it does not end after the string");
  if (bytes.size() != 0) return Refusal("bytes follow its end");
  if (ValidUtf8Bytes(text) != text.size()) return Refusal("the string is not valid UTF-8");
  return std::string(text);
}

}  // namespace temper::eval
