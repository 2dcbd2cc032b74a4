// Holds bytes back until what follows cannot change them.
#include "policy/model/tokenizer/stream_decoder.h"

#include <algorithm>
#include <string_view>

#include "base/utf8.h"
#include "policy/model/tokenizer/detokenizer.h"

namespace temper::model {

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
    : tokenizer_(tokenizer),
      skip_special_tokens_(skip_special_tokens),
      start_left_(tokenizer.edge_strip().start) {}

std::string StreamDecoder::Append(int32_t token) {
  pending_ += tokenizer_.TokenBytes(token, skip_special_tokens_);
  const EdgeStrip& strip = tokenizer_.edge_strip();
  std::string_view whole(pending_);
  whole.remove_suffix(OpenUtf8Bytes(whole));
  if (start_left_ > 0 && !whole.empty()) {
    const size_t lost = strip.AtStart(whole, start_left_);
    // Any other character ends what the start may lose.
    start_left_ = lost == whole.size()
                      ? start_left_ - static_cast<int32_t>(lost / strip.character.size())
                      : 0;
    pending_.erase(0, lost);
    whole = std::string_view(pending_).substr(0, whole.size() - lost);
  }
  const size_t size = whole.size() - strip.AtEnd(whole, strip.stop);
  std::string text = ValidUtf8(whole.substr(0, size));
  pending_.erase(0, size);
  return text;
}

std::string StreamDecoder::Finish() {
  const EdgeStrip& strip = tokenizer_.edge_strip();
  const size_t lost = strip.AtEnd(pending_, strip.stop);
  return ValidUtf8(std::string_view(pending_).substr(0, pending_.size() - lost));
}

}  // namespace temper::model
