// Feeds arbitrary bytes, cut anywhere, to the reader of result records; what it lets through must
// be a plain value that is written and read back the same, and equal to itself unless it cannot be.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "reward/code/literal.h"
#include "reward/code/record.h"

namespace {

using temper::reward::ParseLiteral;
using temper::reward::RecordReader;
using temper::reward::Value;
using temper::reward::WriteLiteral;

void CheckValue(std::string_view payload) {
  const auto value = ParseLiteral(payload);
  if (!value.ok()) return;
  const std::string written = WriteLiteral(*value);
  const auto again = ParseLiteral(written);
  TEMPER_CHECK(again.ok());
  TEMPER_CHECK(WriteLiteral(*again) == written);
  TEMPER_CHECK(temper::reward::SameValue(*value, *again) ==
               temper::reward::SameValue(*again, *value));
}

}  // namespace

// The first byte says where the stream is cut, and whether a nonce has been sent.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const size_t piece = 1 + bytes[0] % 128;
  RecordReader reader;
  if (bytes[0] >= 128) reader.Expect(std::string(temper::reward::kNonceBytes, 'a'));
  std::string_view stream(reinterpret_cast<const char*>(bytes + 1), size - 1);
  CheckValue(stream);
  while (!stream.empty()) {
    reader.Feed(stream.substr(0, piece));
    stream.remove_prefix(std::min(piece, stream.size()));
    while (true) {
      const auto record = reader.Next();
      if (!record.ok()) {
        TEMPER_CHECK(!reader.Next().ok());
        return 0;
      }
      if (!record->has_value()) break;
      CheckValue((*record)->payload);
    }
  }
  return 0;
}
