// zlib, piece by piece, so that the bound is met before the memory is taken.
#include "orchestrator/eval/inflate.h"

#include <zlib.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::eval {
namespace {

constexpr size_t kAlwaysAllowed = size_t{1} << 20;
constexpr size_t kPiece = size_t{1} << 16;
constexpr int kGzipOnly = 16;  // added to the window's bits

absl::Status TooMuch(size_t bytes_in, size_t bytes_max) {
  return absl::InvalidArgumentError(absl::StrCat(
      bytes_in, " compressed bytes become more than the ", bytes_max, " that are allowed"));
}

}  // namespace

absl::StatusOr<std::string> Inflate(std::string_view bytes, Wrapping wrapping,
                                    const InflateLimits& limits) {
  const size_t of_ratio = bytes.size() > limits.bytes_max / limits.ratio_max
                              ? limits.bytes_max
                              : bytes.size() * limits.ratio_max;
  const size_t bytes_max = std::min(limits.bytes_max, std::max(of_ratio, kAlwaysAllowed));
  z_stream stream{};
  const int window = MAX_WBITS + (wrapping == Wrapping::kGzip ? kGzipOnly : 0);
  TEMPER_CHECK(inflateInit2(&stream, window) == Z_OK);
  const absl::Cleanup end = [&stream] { inflateEnd(&stream); };
  std::string text;
  std::string piece(kPiece, '\0');
  std::string_view left = bytes;
  for (;;) {
    // avail_in has 32 bits.
    const size_t given = std::min(left.size(), size_t{1} << 30);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(left.data()));
    stream.avail_in = static_cast<uInt>(given);
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int code = inflate(&stream, Z_NO_FLUSH);
    left.remove_prefix(given - stream.avail_in);
    const size_t made = piece.size() - stream.avail_out;
    if (text.size() + made > bytes_max) return TooMuch(bytes.size(), bytes_max);
    text.append(piece, 0, made);
    if (code == Z_STREAM_END) {
      if (left.empty()) return text;
      if (wrapping != Wrapping::kGzip) {
        return absl::InvalidArgumentError("bytes follow the compressed text");
      }
      TEMPER_CHECK(inflateReset(&stream) == Z_OK);
      continue;
    }
    if (code == Z_BUF_ERROR || (code == Z_OK && left.empty() && made == 0)) {
      return absl::InvalidArgumentError("the compressed text is cut off");
    }
    if (code != Z_OK) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the compressed text is damaged: ", stream.msg != nullptr ? stream.msg : "no zlib"));
    }
  }
}

}  // namespace temper::eval
