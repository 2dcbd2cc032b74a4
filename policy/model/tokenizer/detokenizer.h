// Token ids back to bytes: what the decoder of a tokenizer.json makes of each token, known ahead.
//
// Immutable once filled; any thread may call it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace temper::model {

// Characters that the whole text loses at its ends: up to `start` and `stop` of them.
struct EdgeStrip {
  std::string character;  // UTF-8
  int32_t start = 0, stop = 0;

  // Bytes that `text` loses when up to `most` characters go; at the start, or at the end.
  size_t AtStart(std::string_view text, int32_t most) const;
  size_t AtEnd(std::string_view text, int32_t most) const;
};

class Detokenizer {
 public:
  // Ids may come in any order, each once.
  void Put(int32_t id, std::string_view bytes);
  void MarkSpecial(int32_t id) { spans_[id].special = true; }

  bool Has(int32_t id) const { return id >= 0 && id < size() && spans_[id].size >= 0; }
  bool IsSpecial(int32_t id) const { return Has(id) && spans_[id].special; }
  // Empty for an id of no token: a model's vocabulary may be padded beyond the tokenizer's.
  std::string_view Bytes(int32_t id) const;
  // One more than the highest id.
  int64_t size() const { return static_cast<int64_t>(spans_.size()); }

  EdgeStrip strip;

 private:
  struct Span {
    size_t begin = 0;
    int32_t size = -1;
    bool special = false;
  };
  std::string bytes_;
  std::vector<Span> spans_;  // by id
};

}  // namespace temper::model
