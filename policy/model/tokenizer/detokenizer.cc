// All tokens' bytes lie in one string; an id knows its part of it.
#include "policy/model/tokenizer/detokenizer.h"

#include "base/check.h"

namespace temper::model {

void Detokenizer::Put(int32_t id, std::string_view bytes) {
  TEMPER_CHECK(id >= 0 && !Has(id));
  if (id >= size()) spans_.resize(id + 1);
  spans_[id] = {bytes_.size(), static_cast<int32_t>(bytes.size()), false};
  bytes_ += bytes;
}

std::string_view Detokenizer::Bytes(int32_t id) const {
  if (!Has(id)) return "";
  return std::string_view(bytes_).substr(spans_[id].begin, spans_[id].size);
}

size_t EdgeStrip::AtStart(std::string_view text, int32_t most) const {
  size_t size = 0;
  for (; most > 0 && text.substr(size).starts_with(character); --most) size += character.size();
  return size;
}

size_t EdgeStrip::AtEnd(std::string_view text, int32_t most) const {
  const size_t whole = text.size();
  for (; most > 0 && text.ends_with(character); --most) text.remove_suffix(character.size());
  return whole - text.size();
}

}  // namespace temper::model
